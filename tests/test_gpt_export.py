"""Weights as a file: what goes in comes out, rounded, and what is damaged is refused."""

import hashlib
import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl.gpt import GPT, BytePairs, Characters, Config, export, preset
from udl.train import CheckpointError

SMALL = {"context": 8, "layers": 2, "heads": 2, "width": 8}
CHOICES = [
    {},
    {"tied": False, "bias": False},
    {"norm": "rms", "position": "rotary", "qk_norm": True, "activation": "relu2"},
]


def model_of(**choices):
    torch.manual_seed(3)
    model = GPT(Config(**{"vocabulary": 5, **SMALL, **choices})).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))
    return model


@pytest.mark.parametrize("choices", CHOICES)
def test_a_model_comes_back_with_its_weights_rounded_once(choices):
    model, tokenizer = model_of(**choices), Characters("\nabé🙂")
    content = export.weights(model, tokenizer)
    random = torch.random.get_rng_state()
    restored = export.read(content)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert restored.tokenizer == tokenizer
    assert restored.model.config == model.config
    assert not restored.model.training
    given, found = dict(model.named_parameters()), dict(restored.model.named_parameters())
    assert given.keys() == found.keys()
    for name, parameter in found.items():
        # NumPy rounds to the nearest half, and to the even one of two.
        expected = given[name].detach().numpy().astype(np.float16).astype(np.float32)
        np.testing.assert_array_equal(parameter.detach().numpy(), expected)
    assert (restored.model.head.weight is restored.model.embed.weight) == model.config.tied
    assert export.weights(*restored) == content


def test_the_file_is_laid_out_as_the_page_reads_it():
    model = model_of()
    content = export.weights(model, Characters("abcde"))
    assert content[:8] == b"udl-gpt\x01"
    assert content[8:40] == hashlib.sha256(content[40:]).digest()
    (length,) = struct.unpack("<I", content[40:44])
    assert length % 4 == 0
    header = json.loads(content[44 : 44 + length])
    assert header["config"] == model.config.to_dict()
    assert header["tokenizer"] == Characters("abcde").to_dict()
    names = list(header["arrays"])
    assert names[0] == "embed.weight"
    assert "head.weight" not in names
    first = np.frombuffer(content, "<f2", 5 * 8, offset=44 + length).reshape(5, 8)
    np.testing.assert_array_equal(first, model.embed.weight.detach().numpy().astype(np.float16))
    count = sum(p.numel() for p in model.parameters())
    assert len(content) == 44 + length + 2 * count


def test_the_page_s_preset_fits_into_a_page():
    config = preset("page")
    content = export.weights(GPT(config), Characters("".join(map(chr, range(40, 105)))))
    assert len(content) <= 450_000


def test_any_tokenizer_travels_along():
    tokenizer = BytePairs.train("to be or not to be", 260)
    restored = export.read(export.weights(model_of(vocabulary=tokenizer.size), tokenizer))
    assert restored.tokenizer.encode("not to be") == tokenizer.encode("not to be")


def test_a_model_of_another_precision_is_rounded_too():
    model = model_of().to(torch.bfloat16)
    restored = export.read(export.weights(model, Characters("abcde"))).model
    for mine, theirs in zip(restored.parameters(), model.parameters(), strict=True):
        assert torch.equal(mine, theirs.float())


GOOD = export.weights(model_of(), Characters("abcde"))


@given(st.integers(8, len(GOOD) - 1), st.integers(1, 255))
def test_each_damaged_byte_is_noticed(place, change):
    damaged = bytearray(GOOD)
    damaged[place] ^= change
    with pytest.raises(ValueError, match="damaged or incomplete: expected SHA-256"):
        export.read(bytes(damaged))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"begin with b'udl-gpt', got b''"),
        (b"PK\x03\x04 some other file, long enough to have a header", "begin with b'udl-gpt'"),
        (GOOD[:20], "begin with b'udl-gpt'"),
        (GOOD[:7] + b"\x02" + GOOD[8:], "version 1, got version 2"),
        (GOOD[:-1], "damaged or incomplete"),
        (GOOD + b"\0", "damaged or incomplete"),
    ],
)
def test_other_bytes_are_refused(content, message):
    with pytest.raises(ValueError, match=message):
        export.read(content)


def signed(header, numbers):
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    rest = struct.pack("<I", len(text)) + text + numbers
    return b"udl-gpt\x01" + hashlib.sha256(rest).digest() + rest


def test_parts_that_do_not_fit_together_are_refused():
    (length,) = struct.unpack("<I", GOOD[40:44])
    header, numbers = json.loads(GOOD[44 : 44 + length]), GOOD[44 + length :]
    assert export.read(signed(header, numbers)).tokenizer == Characters("abcde")
    with pytest.raises(ValueError, match="expected the arrays of the model"):
        export.read(signed({**header, "config": {**header["config"], "layers": 1}}, numbers))
    with pytest.raises(ValueError, match=r"expected \d+ weights, got \d+"):
        export.read(signed(header, numbers[:-2]))
    config = {name: value for name, value in header["config"].items() if name != "norm"}
    with pytest.raises(ValueError, match="norm"):
        export.read(signed({**header, "config": config}, numbers))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -7e4])
def test_weights_that_half_precision_cannot_hold_are_refused(value):
    model = model_of()
    with torch.no_grad():
        model.blocks[1].mlp.up.weight[0, 0] = value
    with pytest.raises(ValueError, match=r"up to 65504, got \S+ in blocks\.1\.mlp\.up\.weight"):
        export.weights(model, Characters("abcde"))


def test_a_tokenizer_of_another_vocabulary_is_refused():
    with pytest.raises(ValueError, match=r"tokenizer\.size=3, vocabulary=5"):
        export.weights(model_of(), Characters("abc"))


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "model.bin"
    model, tokenizer = model_of(), Characters("abcde")
    assert export.save(path, model, tokenizer) == len(GOOD)
    assert path.read_bytes() == GOOD
    assert [file.name for file in path.parent.iterdir()] == ["model.bin"]
    with torch.no_grad():
        model.embed.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match="finite weights"):
        export.save(path, model, tokenizer)
    assert path.read_bytes() == GOOD
    with pytest.raises(CheckpointError, match="could not write"):
        export.save(path / "below a file", model_of(), tokenizer)
