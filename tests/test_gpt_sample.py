"""Sampling: the shape of the distribution, the draws, the cache, the context's end, the beam."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import nn
from torch.nn.modules import module as torch_module

from udl.gpt import GPT, Cache, Config
from udl.gpt.model import MLP
from udl.gpt.reader import _plain, reader
from udl.gpt.sample import Beam, _drawing, beam, generate, shape, stream

SMALL = {"vocabulary": 7, "context": 8, "layers": 2, "heads": 2, "width": 16}
KINDS = [
    {},
    {"bias": False, "tied": False},
    {"norm": "rms", "position": "rotary", "qk_norm": True, "activation": "relu2"},
    {"norm": "rms", "bias": False, "activation": "relu2", "tied": False},
    {"position": "rotary", "activation": "gelu_erf"},
    {"qk_norm": True},
]


@pytest.fixture(autouse=True)
def one_thread():
    """Small sums are quicker alone, and other processes want the processor too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(seed=0, **changes):
    """Return a model whose predictions are far from uniform."""
    torch.manual_seed(seed)
    model = GPT(Config(**(SMALL | changes)))
    for weight in model.parameters():
        nn.init.normal_(weight, std=0.5)
    return model.eval()


def written_out(logits, temperature=1.0, top_k=None, top_p=None):
    """Return the probabilities of one row of logits, token by token in double precision."""
    tokens = sorted(range(len(logits)), key=lambda v: (-logits[v], v))
    if temperature == 0:
        weights = {tokens[0]: 1.0}
    else:
        top = max(logits)
        weights = {v: math.exp((logits[v] - top) / temperature) for v in tokens}
    if top_k is not None:
        weights = {v: weights[v] for v in tokens[:top_k] if v in weights}
    if top_p is not None:
        kept, total = {}, sum(weights.values())
        for v in tokens:
            if v in weights and sum(kept.values()) < top_p * total:
                kept[v] = weights[v]
        weights = kept
    return [weights.get(v, 0.0) / sum(weights.values()) for v in range(len(logits))]


def entropy(p):
    return float(torch.special.entr(p).sum())


rows = st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=12)
temperatures = st.floats(0.05, 20)


@given(rows, st.just(0) | temperatures, st.none() | st.integers(1, 14))
def test_shape_is_what_the_formula_says(logits, temperature, top_k):
    p = shape(torch.tensor(logits).double(), temperature=temperature, top_k=top_k)
    expected = written_out(logits, temperature, top_k)
    np.testing.assert_allclose(p, expected, rtol=1e-9, atol=1e-12)


@given(
    st.lists(st.integers(1, 50), min_size=1, max_size=12),
    st.none() | st.integers(1, 14),
    st.integers(1, 100),
)
def test_top_p_keeps_the_smallest_set_that_reaches_p(counts, top_k, percent):
    logits = torch.tensor(counts).double().log()
    # Whole numbers tell exactly where the sum reaches p; half a percent keeps off that place.
    top_p = min(1.0, (percent + 0.5) / 100)
    p = shape(logits, top_k=top_k, top_p=top_p)
    tokens = sorted(range(len(counts)), key=lambda v: (-counts[v], v))[:top_k]
    total = sum(counts[v] for v in tokens)
    least = next(
        n
        for n in range(1, len(tokens) + 1)
        if 200 * sum(counts[v] for v in tokens[:n]) >= min(200, 2 * percent + 1) * total
    )
    kept = tokens[:least]
    expected = np.zeros(len(counts))
    expected[kept] = np.array(counts)[kept] / sum(counts[v] for v in kept)
    np.testing.assert_allclose(p, expected, rtol=1e-9)
    np.testing.assert_allclose(
        p, written_out(logits.tolist(), top_k=top_k, top_p=top_p), rtol=1e-9
    )


@given(rows, st.just(0) | temperatures, st.none() | st.integers(1, 14), st.floats(0.01, 1))
def test_shape_returns_probabilities(logits, temperature, top_k, top_p):
    p = shape(torch.tensor(logits), temperature=temperature, top_k=top_k, top_p=top_p)
    assert bool((p >= 0).all())
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    assert int((p > 0).sum()) <= (top_k or len(logits))
    assert p.max() == p[torch.tensor(logits).argmax()]  # the favorite stays the favorite


@given(rows, temperatures, temperatures)
def test_a_higher_temperature_evens_out(logits, one, other):
    cold, hot = sorted((one, other))
    z = torch.tensor(logits).double()
    p, q = shape(z, temperature=cold), shape(z, temperature=hot)
    assert q.max() <= p.max() + 1e-12
    assert entropy(q) >= entropy(p) - 1e-9


def test_equal_logits_stay_in_the_order_of_the_tokens():
    z = torch.tensor([1.0, 3.0, 3.0, 3.0, 1.0])
    assert shape(z, top_k=2).tolist() == [0, 0.5, 0.5, 0, 0]
    assert shape(z, temperature=0).tolist() == [0, 1, 0, 0, 0]
    nearly = torch.tensor([0.0, 1e-30])
    assert shape(nearly, top_k=1).tolist() == shape(nearly, temperature=0).tolist() == [0, 1]
    assert shape(torch.zeros(4), top_p=0.5).tolist() == [0.5, 0.5, 0, 0]
    many = shape(torch.zeros(1000), top_k=300)
    assert many.nonzero().flatten().tolist() == list(range(300))


def test_each_row_is_shaped_by_itself():
    z = torch.randn(2, 3, 9, generator=torch.Generator().manual_seed(0))
    for choices in ({"top_k": 4}, {"top_p": 0.6}, {"temperature": 0}, {"top_k": 5, "top_p": 0.5}):
        p = shape(z, **choices)
        assert p.shape == z.shape
        for i, j in itertools.product(range(2), range(3)):
            assert torch.equal(p[i, j], shape(z[i, j], **choices))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_extreme_logits_are_no_trouble(dtype):
    z = torch.tensor([6e4, -6e4, 0, -math.inf], dtype=dtype)
    for temperature in (0, 1e-300, 1e-30, 1, 100):
        p = shape(z, temperature=temperature, top_k=3, top_p=0.9)
        assert p.tolist() == [1, 0, 0, 0]
        assert p.dtype == (dtype if dtype == torch.float64 else torch.float32)
    assert shape(z[1:], temperature=1e30)[2] == 0
    assert torch.equal(z, torch.tensor([6e4, -6e4, 0, -math.inf], dtype=dtype))  # as it was


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"temperature": -0.1}, "temperature of at least 0, got temperature=-0.1"),
        ({"temperature": math.nan}, "temperature=nan"),
        ({"temperature": math.inf}, "finite temperature"),
        ({"top_k": 0}, "top_k=0"),
        ({"top_k": -3}, "top_k=-3"),
        ({"top_p": 0.0}, "0 < top_p <= 1, got top_p=0"),
        ({"top_p": 1.1}, "top_p=1.1"),
        ({"top_p": math.nan}, "top_p=nan"),
    ],
)
def test_bad_choices_are_named(choices, message):
    model = network()
    for call in (
        lambda: shape(torch.zeros(3), **choices),
        lambda: generate(model, [1], 3, **choices),
        lambda: stream(model, [1], 3, **choices),  # at once, not at the first token
    ):
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.parametrize("bad", [[math.nan, 0], [math.inf, 0], [-math.inf, -math.inf]])
def test_logits_that_give_no_probabilities_are_named(bad):
    with pytest.raises(ValueError, match=f"expected .*logits.*is {max(bad)}"):
        shape(torch.tensor([[0.0, 1.0], bad]))


@pytest.mark.parametrize("size", [(0,), (2, 0), ()])
def test_logits_of_no_token_are_refused(size):
    with pytest.raises(Exception, match=r"at least one token, got logits.shape=\(|type"):
        shape(torch.zeros(size))


def test_choices_of_wrong_types_refuse():
    with pytest.raises(TypeError, match="top_k"):
        shape(torch.zeros(3), top_k=1.5)
    for call, length in itertools.product((generate, stream, beam), (2.0, 0.0, False, True)):
        with pytest.raises(TypeError, match=f"expected an integer, got length={length}"):
            call(network(), [1], length)
    with pytest.raises(TypeError, match=r"prompt\[1\]='b'"):
        generate(network(), [1, "b"], 2)
    with pytest.raises(TypeError, match=r"prompt\[0\]=True"):
        generate(network(), [True], 2)
    with pytest.raises(TypeError, match=r"prompt\[0\]=1.5"):
        generate(network(), torch.tensor([1.5]), 2)


@pytest.mark.parametrize(
    ("prompt", "length", "message"),
    [
        ([], 3, "at least one token"),
        (torch.zeros(0, dtype=torch.long), 3, "at least one token"),
        ([0, 7], 3, r"tokens from 0 to 6, got prompt\[1\]=7"),
        ([-1], 3, r"prompt\[0\]=-1"),
        ([1] * 9, 3, "at most context=8 tokens, got 9"),
        ([1], -1, "length=-1"),
    ],
)
def test_bad_prompts_are_named(prompt, length, message):
    model = network()
    for call in (generate, stream, beam):
        with pytest.raises(ValueError, match=message):
            call(model, prompt, length)


def test_a_prompt_of_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"shape \(T,\), got \(1, 2\)"):
        generate(network(), torch.zeros(1, 2, dtype=torch.long), 3)


def test_nothing_is_written_on_demand():
    model = network()
    assert generate(model, [1], 0) == []
    assert list(stream(model, [1], 0)) == []
    assert beam(model, [1], 0) == Beam([], 0.0)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_greedy_takes_the_most_likely(kind):
    model, text = network(**kind), [1, 4]
    for _ in range(6):
        text.append(int(model(torch.tensor([text]))[0, -1].argmax()))
    assert generate(model, [1, 4], 6, temperature=0) == text[2:]
    assert generate(model, [1, 4], 6, top_k=1) == text[2:]
    assert generate(model, torch.tensor([1, 4]), 6, top_p=1e-9, cache=False) == text[2:]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_cache_changes_nothing_within_the_context(kind):
    model = network(**kind)
    for seed in range(5):
        for choices in ({}, {"temperature": 2, "top_k": 5}, {"top_p": 0.9}):
            # Three tokens of prompt and five more are the context; one more needs no more room.
            one, other = (
                generate(model, [3, 0, 5], 6, seed=seed, cache=cache, **choices)
                for cache in (True, False)
            )
            assert one == other


def drawn(p, u):
    """Return the first token up to which the probabilities sum to more than u."""
    total = 0.0
    for token, share in enumerate(p.double().tolist()):
        total += share
        if total > u:
            return token
    raise AssertionError


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(("context", "prompt"), [(8, [1]), (7, [1, 2]), (3, [1, 2, 3]), (1, [4])])
@torch.no_grad()
def test_past_the_context_the_model_sees_what_the_text_says(cache, context, prompt):
    model, text, start = network(context=context), list(prompt), 0
    random = np.random.default_rng(5)
    for _ in range(40):
        if len(text) - start > context:
            start = len(text) - (math.ceil(context / 2) if cache else context)
        p = model(torch.tensor([text[start:]]))[0, -1].double().softmax(-1)
        text.append(drawn(p, random.random()))
    assert generate(model, prompt, 40, seed=5, cache=cache) == text[len(prompt) :]


def test_cache_and_window_differ_past_the_context():
    model = network()
    one, other = (generate(model, [1], 60, cache=cache) for cache in (True, False))
    assert one[:8] == other[:8]
    assert one != other


def test_stream_is_generate_token_by_token():
    model = network()
    for choices in ({"seed": 3}, {"temperature": 0}, {"seed": 4, "top_k": 3, "cache": False}):
        assert list(stream(model, [2], 30, **choices)) == generate(model, [2], 30, **choices)
    read = []
    model.embed.register_forward_hook(lambda *_: read.append(1))
    tokens = stream(model, [2], 30)
    assert read == []
    next(tokens)
    assert len(read) == 1


def test_seeds_decide():
    model = network()
    one = generate(model, [2], 30, seed=1)
    assert one == generate(model, [2], 30, seed=1)
    assert one[:10] == generate(model, [2], 10, seed=1)
    assert one != generate(model, [2], 30, seed=2)


def test_tokens_come_as_often_as_they_are_likely():
    model = network(context=64)
    with torch.no_grad():
        model.norm.weight.zero_()  # so the logits are the same wherever in the text
        p = shape(model(torch.tensor([[0]]))[0, 0], temperature=1.5, top_k=5)
    tokens = generate(model, [0], 2000, temperature=1.5, top_k=5, seed=1)
    seen = np.bincount(tokens, minlength=7)
    likely = p.numpy() > 0
    assert likely.sum() == 5
    assert p.max() - p[p > 0].min() > 0.1
    assert not seen[~likely].any()
    expected = p.double().numpy()[likely]
    assert chisquare(seen[likely], 2000 * expected / expected.sum()).pvalue > 0.01


@pytest.mark.parametrize("u", [0.0, 1 - 2**-53])
def test_no_draw_gives_an_impossible_token(u, monkeypatch):
    class Extreme:
        def random(self):
            return u

    monkeypatch.setattr(np.random, "default_rng", lambda seed: Extreme())
    draw = _drawing(1.0, None, None, 0)
    for inner in torch.randn(20, 5, generator=torch.Generator().manual_seed(0)):
        never = torch.tensor([-math.inf])
        assert draw(torch.cat((never, inner, never))) == (1 if u == 0 else 5)


def test_the_model_is_left_as_it_was():
    model = network(dropout=0.5, position="rotary")
    calm = generate(model, [1, 2], 12)
    model.train()
    model.blocks[0].eval()
    before = [part.training for part in model.modules()]
    torch.set_num_threads(threads := 3)  # one_thread puts this back
    state = torch.get_rng_state()

    def as_it_was():
        assert [part.training for part in model.modules()] == before
        assert torch.is_grad_enabled()
        assert not torch.is_inference_mode_enabled()
        assert torch.get_num_threads() == threads
        assert torch.equal(torch.get_rng_state(), state)

    assert generate(model, [1, 2], 12) == calm  # no dropout in what is written
    as_it_was()
    for token, expected in zip(stream(model, [1, 2], 12), calm, strict=True):
        assert token == expected
        as_it_was()
    beam(model, [1, 2], 12)
    as_it_was()
    with torch.no_grad():
        model.norm.weight.fill_(math.nan)
    for call in (generate, beam):
        with pytest.raises(ValueError, match=r"logits.*(nan|NaN)"):
            call(model, [1, 2], 12)
        as_it_was()
    with torch.no_grad():
        model.norm.weight.fill_(1.0)
        generate(model, [1], 2)
        assert not torch.is_grad_enabled()
    model(torch.tensor([[1, 2]])).sum().backward()  # what writing left behind can be trained


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_short_way_reads_like_the_model(kind):
    model = network(**kind)
    tokens = torch.tensor([[1, 5, 2, 2, 0, 6, 3, 1]])
    assert _plain(model)
    with torch.inference_mode():
        expected = model(tokens)[0]
        cache = Cache(model.config)
        read = reader(model, cache)
        got = [read(tokens[:, t : t + 1]) for t in range(8)]
        assert cache.length == 8
        torch.testing.assert_close(torch.stack(got), expected, rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match="context=8"):
            read(tokens[:, :1])
        cache.reset()
        some = [read(tokens[:, :3]), read(tokens[:, 3:4]), read(tokens[:, 4:])]
        torch.testing.assert_close(torch.stack(some), expected[[2, 3, 7]], rtol=1e-4, atol=1e-5)


def test_a_model_with_other_parts_reads_by_itself():
    class Louder(MLP):
        def forward(self, x):
            return 5 * super().forward(x)

    model = network()
    plain = generate(model, [1], 20)
    seen = []
    handle = model.blocks[1].mlp.register_forward_hook(lambda *_: seen.append(1))
    assert not _plain(model)
    assert generate(model, [1], 20) == plain
    assert len(seen) == 20
    handle.remove()
    assert _plain(model)
    model.blocks[0].mlp.__class__ = Louder
    assert_the_cache_changes_nothing(model)


def assert_the_cache_changes_nothing(model):
    assert not _plain(model)
    for seed in range(3):
        one, other = (generate(model, [1], 8, seed=seed, cache=c) for c in (True, False))
        assert one == other


def test_a_part_with_a_forward_of_its_own_reads_by_itself():
    model = network()
    before = generate(model, [1], 8)
    part = model.blocks[1].mlp
    part.forward = lambda x: -5 * type(part).forward(part, x)
    assert_the_cache_changes_nothing(model)
    assert generate(model, [1], 8) != before
    del part.forward
    assert _plain(model)
    heads = model.blocks[0].attention.heads
    model.blocks[0].attention.heads = lambda x, start=0: [3 * y for y in heads(x, start)]
    assert_the_cache_changes_nothing(model)


@pytest.mark.parametrize(
    "register",
    [
        "register_module_forward_hook",
        "register_module_forward_pre_hook",
        "register_module_full_backward_hook",
        "register_module_full_backward_pre_hook",
    ],
)
def test_with_hooks_on_all_modules_a_model_reads_by_itself(register):
    def louder(part, *values):
        return 5 * values[-1] if "forward_hook" in register and isinstance(part, MLP) else None

    model = network()
    before = generate(model, [1], 8)
    handle = getattr(torch_module, register)(louder)
    try:
        assert_the_cache_changes_nothing(model)
        assert (generate(model, [1], 8) != before) == ("forward_hook" in register)
    finally:
        handle.remove()
    assert _plain(model)


@pytest.mark.parametrize(
    "register",
    [
        "register_forward_hook",
        "register_forward_pre_hook",
        "register_full_backward_hook",
        "register_full_backward_pre_hook",
    ],
)
def test_with_a_hook_a_model_reads_by_itself(register):
    model = network()
    handle = getattr(model.blocks[1].mlp.up, register)(lambda *_: None)
    assert_the_cache_changes_nothing(model)
    handle.remove()
    assert _plain(model)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_the_short_way_with_autocast(kind):
    model = network(**kind)
    tokens = torch.tensor([[1, 5, 2, 2]])
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        cache, other = Cache(model.config), Cache(model.config)
        read = reader(model, cache)
        for t in range(4):
            token = tokens[:, t : t + 1]
            expected = model(token, other)[0, -1]
            torch.testing.assert_close(read(token), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_model_in_16_bits_writes_too(kind):
    model = network(**kind).bfloat16()
    assert set(generate(model, [1], 30)) <= set(range(7))
    assert len(generate(model, [1], 12, cache=False)) == 12


@torch.no_grad()
def log_probability(model, prompt, tokens):
    """Return the logarithm of the probability of tokens, each predicted by itself."""
    total, context = 0.0, model.config.context
    for n, token in enumerate(tokens):
        seen = [*prompt, *tokens[:n]][-context:]
        total += float(model(torch.tensor([seen]))[0, -1].double().log_softmax(-1)[token])
    return total


@pytest.mark.parametrize("seed", range(3))
def test_a_beam_as_wide_as_the_tree_finds_the_best(seed):
    model = network(seed, vocabulary=3)
    texts = list(itertools.product(range(3), repeat=4))
    best = max(texts, key=lambda text: log_probability(model, [1, 0], text))
    found = beam(model, [1, 0], 4, beams=len(texts))
    assert found.tokens == list(best)
    assert found.log_probability == pytest.approx(log_probability(model, [1, 0], best), abs=1e-5)
    assert beam(model, torch.tensor([1, 0]), 4, beams=10_000) == found


def by_hand(model, prompt, length, beams):
    """Return the texts that a beam search keeps, one list at a time."""
    kept = [((), 0.0)]
    for _ in range(length):
        longer = [
            ((*tokens, v), log_probability(model, prompt, (*tokens, v)))
            for tokens, _ in kept
            for v in range(model.config.vocabulary)
        ]
        kept = sorted(longer, key=lambda pair: -pair[1])[:beams]
    return kept[0]


@pytest.mark.parametrize("beams", [1, 2, 3])
def test_a_narrow_beam_keeps_the_best_of_each_length(beams):
    model = network(4, vocabulary=4, context=3)  # and goes past the context
    tokens, value = by_hand(model, [1], 6, beams)
    found = beam(model, [1], 6, beams=beams)
    assert found.tokens == list(tokens)
    assert found.log_probability == pytest.approx(value, abs=1e-5)


def test_one_beam_is_greedy():
    model = network()
    assert beam(model, [1, 2], 6, beams=1).tokens == generate(model, [1, 2], 6, temperature=0)
    with torch.no_grad():
        model.norm.weight.zero_()
        model.norm.bias.zero_()  # all tokens alike
    assert beam(model, [1, 2], 4, beams=1).tokens == [0] * 4
    assert beam(model, [1, 2], 4, beams=5).tokens == [0] * 4


def test_bad_beams_are_refused():
    with pytest.raises(ValueError, match="beams=0"):
        beam(network(), [1], 2, beams=0)
    with pytest.raises(TypeError, match="beams"):
        beam(network(), [1], 2, beams=1.0)
