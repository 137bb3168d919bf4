"""Test the tokenizers of udl.gpt against counting anew, Hugging Face's and tiktoken."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import tokenizers
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tiktoken import load

from udl import data
from udl.data import _files
from udl.gpt import bytepairs, gpt2, tokenizer
from udl.gpt.tokenizer import GPT2, BytePairs, Characters

PROSE = data.tiny_shakespeare("surrogate").text[:20_000]
TRAINED = BytePairs.train(PROSE, 600)
FEW = st.text("ab c\n,1é", max_size=40)  # so few signs that pairs come often, and with ties


# --- characters ---


@given(st.text(min_size=1))
def test_characters_come_back(text: str) -> None:
    letters = Characters(text)
    tokens = letters.encode(text)
    assert letters.decode(tokens) == text
    assert letters.alphabet == "".join(sorted(set(text)))
    assert set(tokens) == set(range(letters.size))
    assert len(tokens) == len(text)
    assert letters == Characters(letters.alphabet)


def test_an_unknown_character_is_named_with_its_place() -> None:
    with pytest.raises(ValueError, match="the alphabet 'abc', got 'x' at position 2"):
        Characters("cab").encode("abxcx")


def test_a_text_of_nothing() -> None:
    with pytest.raises(ValueError, match="at least one character"):
        Characters("")
    assert Characters("a").encode("") == []
    assert Characters("a").decode([]) == ""


@pytest.mark.parametrize("wrong", [-1, 3, 1000])
@pytest.mark.parametrize("kind", [Characters("abc"), BytePairs(), None])
def test_tokens_that_are_none(kind, wrong: int, stand_in: GPT2) -> None:
    kind = kind or stand_in
    wrong = wrong if wrong < 3 else kind.size + wrong - 3
    with pytest.raises(ValueError, match=f"from 0 to {kind.size - 1}, got {wrong}"):
        kind.decode([0, wrong])


def test_tensors_of_whole_numbers_can_be_decoded() -> None:
    assert Characters("abc").decode(torch.tensor([2, 0, 1])) == "cab"


def test_half_a_token_refuses() -> None:
    with pytest.raises(TypeError, match="float"):
        Characters("abc").decode([0.5])  # type: ignore[list-item]


# --- byte pairs ---


@given(st.text("ab\n \t1é_,\x1c\u3000\U0001f600"))
def test_words_are_the_whole_text(text: str) -> None:
    words = bytepairs.WORDS.findall(text)
    assert "".join(words) == text
    for word in words:
        body = word.removeprefix(" ")
        kinds = {
            "letters"
            if c.isalpha()
            else "digits"
            if c.isdigit()
            else "space"
            if c.isspace()
            else "signs"
            for c in body or word
        }
        assert len(kinds) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Romeo's 12 sons", ["Romeo", "'", "s", " 12", " sons"]),
        ("one\n\ntwo  three", ["one", "\n\n", "two", " ", " three"]),
        ("x_1 = f(y)  \n", ["x", "_", "1", " =", " f", "(", "y", ")", "  \n"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert bytepairs.WORDS.findall(text) == words


def slow_merges(text: str, size: int) -> list[tuple[int, int]]:
    """Count all pairs anew before each merge."""
    words = [list(word.encode()) for word in bytepairs.WORDS.findall(text)]
    found: list[tuple[int, int]] = []
    while 256 + len(found) < size:
        counts = Counter(pair for word in words for pair in pairwise(word))
        count = max(counts.values(), default=0)
        if count < 2:
            break
        best = min(pair for pair in counts if counts[pair] == count)
        for number, word in enumerate(words):
            new: list[int] = []
            rest = list(word)
            while rest:
                hit = tuple(rest[:2]) == best
                new.append(256 + len(found) if hit else rest[0])
                rest = rest[2 if hit else 1 :]
            words[number] = new
        found.append(best)
    return found


@given(FEW, st.integers(256, 275))
def test_merges_are_those_of_counting_anew(text: str, size: int) -> None:
    assert list(BytePairs.train(text, size).merges) == slow_merges(text, size)


def test_merges_of_prose_are_those_of_counting_anew() -> None:
    assert list(TRAINED.merges)[:60] == slow_merges(PROSE, 316)
    assert TRAINED.size == 600


def hugging_face(pairs: BytePairs) -> tokenizers.Tokenizer:
    """Give the merges to the other implementation; it writes bytes as printable characters."""
    signs = tokenizers.pre_tokenizers.ByteLevel.alphabet()
    printable = {ord(c): c for c in signs if ord(c) < 256}
    rest = iter(sorted(c for c in signs if ord(c) >= 256))
    printable |= {b: next(rest) for b in range(256) if b not in printable}
    written = ["".join(printable[b] for b in token) for token in pairs.tokens]
    model = tokenizers.models.BPE(
        vocab={token: number for number, token in enumerate(written)},
        merges=[(written[a], written[b]) for a, b in pairs.merges],
    )
    return tokenizers.Tokenizer(model)


OTHER = hugging_face(TRAINED)
OTHER.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
    [
        tokenizers.pre_tokenizers.Split(tokenizers.Regex(bytepairs.WORDS.pattern), "isolated"),
        tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ]
)
OTHER.decoder = tokenizers.decoders.ByteLevel()


def test_tokens_of_prose_are_those_of_hugging_face() -> None:
    text = data.tiny_shakespeare("surrogate").text
    tokens = TRAINED.encode(text)
    assert tokens == OTHER.encode(text).ids
    assert len(tokens) < len(text) / 2
    assert TRAINED.decode(tokens) == OTHER.decode(tokens) == text


@given(st.text("these and their 12, ö\n\U0001f600"))
def test_tokens_of_any_text_are_those_of_hugging_face(text: str) -> None:
    assert TRAINED.encode(text) == OTHER.encode(text).ids


def test_merges_are_those_of_hugging_face() -> None:
    """It breaks ties as we do, where its numbers of bytes have our order: all but white space."""
    text = ",".join(PROSE.split())
    other = tokenizers.Tokenizer(tokenizers.models.BPE())
    other.pre_tokenizer = OTHER.pre_tokenizer
    other.decoder = OTHER.decoder
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=256 + 300,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    other.train_from_iterator([text], trainer)
    theirs = [other.decode([number]) for number in range(256, 556)]
    assert [token.decode() for token in BytePairs.train(text, 556).tokens[256:]] == theirs


@example("\ud800")
@given(st.text(st.characters(exclude_categories=())))  # lone halves of surrogate pairs, too
def test_any_text_comes_back(text: str) -> None:
    assert TRAINED.decode(TRAINED.encode(text)) == text


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_come_back(some: bytes) -> None:
    tokens = TRAINED.encode_bytes(some)
    assert TRAINED.decode_bytes(tokens) == some
    assert b"".join(TRAINED.tokens[token] for token in tokens) == some


def test_bytes_that_are_no_text() -> None:
    assert TRAINED.decode("é".encode()[:1]) == "\ufffd"
    half = "\ud800".encode("utf-8", "surrogatepass")
    assert TRAINED.decode(half) == "\ud800"
    assert TRAINED.decode(half + b"\xff") == "\ufffd" * 4


@given(st.lists(st.integers(0, 2), max_size=12), st.integers(0, 2), st.integers(0, 2))
def test_a_merge_is_a_replacement_in_a_text(tokens: list[int], a: int, b: int) -> None:
    text = "".join(map(str, tokens)).replace(f"{a}{b}", "9")
    assert bytepairs.merge(tokens, (a, b), 9) == list(map(int, text))


@given(st.lists(st.integers(0, 599)))
def test_any_tokens_are_some_text(tokens: list[int]) -> None:
    assert isinstance(TRAINED.decode(tokens), str)


@pytest.mark.parametrize("text", ["", "a", "abc"])
def test_nothing_to_merge(text: str) -> None:
    pairs = BytePairs.train(text, 1000)
    assert pairs == BytePairs()
    assert pairs.size == 256
    assert pairs.encode(text) == list(text.encode())


def test_a_size_without_all_bytes() -> None:
    with pytest.raises(ValueError, match=r"expected size of 256 or more .* got 255"):
        BytePairs.train("text", 255)


def test_a_size_that_is_no_integer_is_refused() -> None:
    with pytest.raises(TypeError, match=r"expected an integer, got size=300.5"):
        BytePairs.train("text", 300.5)  # type: ignore[arg-type]


def test_the_repr_is_short() -> None:
    assert repr(TRAINED) == "<BytePairs of 600 tokens>"


def test_lists_of_pairs_are_not_refused() -> None:
    pairs = BytePairs([[97, 97], [256, 98]])  # type: ignore[arg-type]
    assert pairs == BytePairs(((97, 97), (256, 98)))
    assert hash(pairs) == hash(BytePairs(((97, 97), (256, 98))))
    assert pairs.encode("aab") == [257]


@pytest.mark.parametrize("merges", [((1, 2, 3),), (1, 2), ((1,),), ((1, 2.0),), ("ab",)])
def test_merges_that_are_no_pairs_are_refused(merges) -> None:
    with pytest.raises(ValueError, match="expected merges to be pairs of whole numbers, got"):
        BytePairs(merges)


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (((0, 256),), r"merge 0 to be of tokens below 256, got \(0, 256\)"),
        (((-1, 2),), "merge 0"),
        (((1, 2), (256, 257)), "merge 1 to be of tokens below 257"),
        (((1, 2), (1, 2)), "each merge once"),
    ],
)
def test_merges_that_cannot_be(merges, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BytePairs(merges)


# --- GPT-2 ---


@pytest.fixture(scope="module")
def vocabulary() -> bytes:
    """Write merges of ours as GPT-2's file has them."""
    signs = hugging_face(TRAINED)
    lines = [" ".join(signs.id_to_token(token) for token in merge) for merge in TRAINED.merges]
    return "\n".join(["#version: 0.2", *lines, ""]).encode()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocabulary: bytes) -> Path:
    """Give an empty folder that UDL_DATA_DIR names; forbid downloads; expect the stand-in."""
    monkeypatch.setenv("UDL_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("UDL_OFFLINE", "1")
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.setattr(_files, "cache_dir", lambda: tmp_path / "cache")
    url = gpt2.GPT2_FILE.mirrors[0][0]
    expected = _files.Remote("gpt2-vocab.bpe", ((url, hashlib.sha256(vocabulary).hexdigest()),))
    monkeypatch.setattr(gpt2, "GPT2_FILE", expected)
    return tmp_path


@pytest.fixture
def stand_in(places: Path, vocabulary: bytes) -> GPT2:
    (places / "gpt2-vocab.bpe").write_bytes(vocabulary)
    return gpt2.gpt2_encoding()


TEXTS = [
    PROSE,
    "I'll say it's  two\n\n spaces, 3 ½ years_old!\n ",
    "naïve 文字 \U0001f600 x\xa0y",
    "",
]


@pytest.mark.parametrize("text", TEXTS)
def test_the_stand_in_encodes_as_hugging_face_does(stand_in: GPT2, text: str) -> None:
    """Byte level with its own rule for words is what Hugging Face has for GPT-2."""
    ours = hugging_face(TRAINED)
    ours.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens = stand_in.encode(text)
    # The numbers differ for single bytes, the bytes of the tokens do not.
    assert [stand_in.encoding.decode_single_token_bytes(token) for token in tokens] == [
        TRAINED.tokens[token] for token in ours.encode(text).ids
    ]
    assert stand_in.decode(tokens) == text
    assert stand_in.size == 601


def test_the_stand_in_has_the_numbers_that_tiktoken_gives(
    stand_in: GPT2, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its reader wants GPT-2's second file as well, which lists what the first one implies."""
    signs = hugging_face(TRAINED)
    order = sorted(range(256), key=lambda byte: signs.id_to_token(byte))
    names = [signs.id_to_token(token) for token in [*order, *range(256, 600)]]
    listed = places / "encoder.json"
    listed.write_text(json.dumps({name: number for number, name in enumerate(names)}))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    ranks = load.data_gym_to_mergeable_bpe_ranks(str(places / "gpt2-vocab.bpe"), str(listed))
    assert {token: stand_in.encoding.encode_single_token(token) for token in ranks} == ranks
    assert stand_in.encoding.encode("<|endoftext|>", allowed_special="all") == [600]
    assert 600 not in stand_in.encode("a<|endoftext|>b")


def test_the_real_file_is_the_one_that_tiktoken_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    from tiktoken_ext import openai_public

    asked = {}
    monkeypatch.setattr(
        openai_public, "data_gym_to_mergeable_bpe_ranks", lambda **given: asked.update(given)
    )
    made = openai_public.gpt2()
    url, sha256 = gpt2.GPT2_FILE.mirrors[0]
    assert (asked["vocab_bpe_file"], asked["vocab_bpe_hash"]) == (url, sha256)
    assert gpt2.END in made["special_tokens"]


def test_the_cache_of_tiktoken_is_used(places: Path, monkeypatch, vocabulary: bytes) -> None:
    cache = places / "tiktoken"
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(cache))
    url, sha256 = gpt2.GPT2_FILE.mirrors[0]
    source = places / "elsewhere"
    source.write_bytes(vocabulary)
    monkeypatch.setattr(load, "read_file", lambda path: source.read_bytes())
    load.read_file_cached(url, sha256)  # tiktoken itself chooses the name
    assert gpt2.gpt2_encoding().size == 601
    (file,) = cache.iterdir()
    file.write_bytes(vocabulary + b"damaged")
    with pytest.raises(FileNotFoundError, match=r"gpt2-vocab\.bpe"):
        gpt2.gpt2_encoding()
    assert file.exists()


def test_without_the_file_the_error_says_how_to_get_it(places: Path, vocabulary: bytes) -> None:
    with pytest.raises(FileNotFoundError, match=r"gpt2-vocab\.bpe is neither in UDL_DATA_DIR"):
        gpt2.gpt2_encoding()
    (places / "gpt2-vocab.bpe").write_bytes(vocabulary + b"x")
    with pytest.raises(data.ChecksumError, match="expected SHA-256"):
        gpt2.gpt2_encoding()


# --- all of them ---


@pytest.mark.parametrize("kind", [Characters(PROSE), TRAINED, None])
def test_each_kind_comes_back_from_json(kind, stand_in: GPT2) -> None:
    kind = kind or stand_in
    again = tokenizer.from_dict(json.loads(json.dumps(kind.to_dict())))
    assert type(again) is type(kind)
    assert again.encode(PROSE) == kind.encode(PROSE)
    assert again.to_dict() == kind.to_dict()
    assert again.size == kind.size


@pytest.mark.parametrize(
    ("plain", "message"),
    [
        ({}, "got nothing"),
        ({"kind": "words"}, "got kind='words'"),
        ({"kind": "characters"}, "got kind='characters'"),
        ({"kind": "characters", "alphabet": 3}, "got kind='characters', alphabet=3"),
        ({"kind": "characters", "alphabet": "a", "more": 1}, "more=1"),
        ({"kind": "characters", "alphabet": ""}, "at least one character"),
        (
            {"kind": "byte pairs", "merges": [[1]]},
            r"merges to be pairs of whole numbers, got \[1\]",
        ),
        ({"kind": "byte pairs", "merges": [[1, 300]]}, "merge 0"),
    ],
)
def test_a_dictionary_of_no_tokenizer(plain, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tokenizer.from_dict(plain)
