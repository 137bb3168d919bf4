"""Config, model and sizes, held against Hugging Face's GPT-2, NumPy, and the meta device."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.flop_counter import FlopCounterMode

from udl import gpt
from udl.gpt import GPT, Cache, Config, preset, sizes
from udl.gpt.model import causal_mask, gather

SMALL = {"vocabulary": 11, "context": 12, "layers": 2, "heads": 2, "width": 16}
OPTIONS = {
    "bias": (True, False),
    "norm": ("layer", "rms"),
    "position": ("learned", "rotary"),
    "qk_norm": (False, True),
    "activation": ("gelu", "relu2", "gelu_erf"),
    "tied": (True, False),
}
EVERY = [
    Config(**SMALL, **dict(zip(OPTIONS, values, strict=True)))
    for values in itertools.product(*OPTIONS.values())
]
CHANGED = [
    Config(**SMALL, **{name: value}) for name, values in OPTIONS.items() for value in values[1:]
]
MODERN = Config(
    **SMALL,
    bias=False,
    norm="rms",
    position="rotary",
    qk_norm=True,
    activation="relu2",
    tied=False,
)
configs = st.sampled_from(EVERY)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small sums are quicker alone, and other processes want the processor too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def build(config, seed=0):
    """Return a model with parameters far from their start, so that each of them matters."""
    torch.manual_seed(seed)
    model = GPT(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.4)
    return model


def some_tokens(config, B=2, T=None, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(config.vocabulary, (B, T or config.context), generator=generator)


# ---- the model against others ----


@pytest.fixture(scope="module")
def hugging_face():
    """Give a function that puts our weights into Hugging Face's GPT-2."""
    transformers = pytest.importorskip("transformers")

    def copy(model):
        c = model.config
        theirs = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=c.vocabulary,
                n_positions=c.context,
                n_embd=c.width,
                n_layer=c.layers,
                n_head=c.heads,
                bos_token_id=0,
                eos_token_id=0,
                attn_implementation="eager",
                activation_function={"gelu": "gelu_new", "gelu_erf": "gelu"}[c.activation],
            )
        ).eval()
        names = {
            "embed": "wte",
            "positions": "wpe",
            "blocks": "h",
            "norm1": "ln_1",
            "norm2": "ln_2",
            "norm": "ln_f",
            "attention": "attn",
            "qkv": "c_attn",
            "out": "c_proj",
            "up": "c_fc",
            "down": "c_proj",
        }
        state = {}
        for name, value in model.state_dict().items():
            their_name = ".".join(names.get(part, part) for part in name.split("."))
            transposed = name.endswith("weight") and ".c_" in their_name
            state[f"transformer.{their_name}"] = value.T if transposed else value
        state["lm_head.weight"] = state.pop("transformer.head.weight")
        theirs.load_state_dict(state)
        return theirs

    return copy


@pytest.mark.parametrize(
    "config",
    [Config(23, 12, 2, 2, 16), Config(31, 9, 3, 4, 32), Config(**SMALL, activation="gelu_erf")],
    ids=["small", "larger", "erf"],
)
def test_the_logits_are_those_of_hugging_face(hugging_face, config):
    for model in (GPT(config).eval(), build(config)):
        tokens = some_tokens(config)
        with torch.no_grad():
            theirs = hugging_face(model)(tokens, output_attentions=True)
            ours = model(tokens)
        largest = theirs.logits.abs().max().item()
        torch.testing.assert_close(ours, theirs.logits, rtol=0, atol=1e-5 * max(1, largest))
        maps = gpt.attention_maps(model, tokens)
        torch.testing.assert_close(maps, torch.stack(theirs.attentions), rtol=0, atol=1e-5)


def in_numpy(model, tokens):
    """Return the logits in float64, one token and one head after the other."""
    c = model.config
    w = {name: p.detach().numpy().astype(np.float64) for name, p in model.state_dict().items()}

    def normed(x, name):
        if c.norm == "rms":
            return x / np.sqrt(np.mean(x**2) + 1e-5) * w[f"{name}.weight"]
        x = (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[f"{name}.weight"]
        return x + w.get(f"{name}.bias", 0)

    def linear(x, name):
        return w[f"{name}.weight"] @ x + w.get(f"{name}.bias", 0)

    def placed(x, t):
        if c.qk_norm:
            x = x / np.sqrt(np.mean(x**2) + 1e-5)
        if c.position == "rotary":
            half = len(x) // 2
            turned = (x[:half] + 1j * x[half:]) * np.exp(
                [1j * t * 10000 ** (-2 * i / len(x)) for i in range(half)]
            )
            x = np.concatenate([turned.real, turned.imag])
        return x

    def act(h):
        if c.activation == "relu2":
            return np.where(h > 0, h * h, 0)
        if c.activation == "gelu_erf":
            return h / 2 * (1 + np.array([math.erf(z / math.sqrt(2)) for z in h]))
        return h / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))

    x = [w["embed.weight"][i] + w.get("positions.weight", np.zeros((99, 1)))[t]
         for t, i in enumerate(tokens)]  # fmt: skip
    for b in range(c.layers):
        qkv = [linear(normed(z, f"blocks.{b}.norm1"), f"blocks.{b}.attention.qkv") for z in x]
        gathered = [np.zeros(c.width) for _ in x]
        for head in np.arange(c.width).reshape(c.heads, -1):
            q = [placed(z[head], t) for t, z in enumerate(qkv)]
            k = [placed(z[head + c.width], t) for t, z in enumerate(qkv)]
            for t in range(len(x)):
                a = np.exp([q[t] @ k[s] / math.sqrt(len(head)) for s in range(t + 1)])
                for s in range(t + 1):
                    gathered[t][head] += a[s] / a.sum() * qkv[s][head + 2 * c.width]
        x = [z + linear(g, f"blocks.{b}.attention.out") for z, g in zip(x, gathered, strict=True)]
        x = [
            z + linear(
                act(linear(normed(z, f"blocks.{b}.norm2"), f"blocks.{b}.mlp.up")),
                f"blocks.{b}.mlp.down",
            )
            for z in x
        ]  # fmt: skip
    return np.array([w["head.weight"] @ normed(z, "norm") for z in x])


@pytest.mark.parametrize("config", [Config(**SMALL), *CHANGED, MODERN], ids=str)
def test_every_option_does_what_its_formula_says(config):
    model = build(config).double()
    tokens = some_tokens(config)
    with torch.no_grad():
        logits = model(tokens).numpy()
    for row, text in zip(logits, tokens, strict=True):
        # float32 tables of the rotation
        np.testing.assert_allclose(row, in_numpy(model, text.tolist()), rtol=1e-5, atol=1e-5)


# ---- laws ----


@given(configs, st.data())
@settings(max_examples=60)
def test_a_token_changes_no_logits_before_it(config, data):
    T = data.draw(st.integers(2, config.context))
    t = data.draw(st.integers(1, T - 1))
    model = build(config, seed=data.draw(st.integers(0, 9)))
    tokens = some_tokens(config, T=T)
    changed = tokens.clone()
    changed[:, t:] = (changed[:, t:] + data.draw(st.integers(1, 10))) % config.vocabulary
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[:, :t], after[:, :t], rtol=0, atol=1e-6)
    assert not torch.allclose(before[:, t], after[:, t])


@given(configs, st.data())
@settings(max_examples=60)
def test_with_a_cache_the_logits_are_the_same_in_any_pieces(config, data):
    model = build(config)
    B = data.draw(st.integers(1, 3))
    tokens = some_tokens(config, B=B, T=data.draw(st.integers(1, config.context)))
    cache = Cache(config, batch=B)
    for _ in range(2):
        pieces, t = [], 0
        while t < tokens.shape[1]:
            step = data.draw(st.integers(1, tokens.shape[1] - t))
            pieces.append(model(tokens[:, t : t + step], cache))
            t += step
            assert cache.length == t
        whole = model(tokens)
        scale = whole.abs().max().item()
        torch.testing.assert_close(torch.cat(pieces, 1), whole, rtol=0, atol=1e-6 * scale)
        cache.reset()
        assert cache.length == 0


@given(configs)
@settings(max_examples=20)
def test_attention_maps_are_means_over_what_came_before(config):
    maps = gpt.attention_maps(build(config), some_tokens(config))
    T = config.context
    assert maps.shape == (config.layers, 2, config.heads, T, T)
    torch.testing.assert_close(maps.sum(-1), torch.ones(maps.shape[:-1]))
    assert (maps.triu(1) == 0).all()
    assert (maps >= 0).all()


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 7), st.integers(1, 5), st.booleans())
def test_attention_written_out_is_the_one_of_pytorch(B, H, T, D, causal):
    q, k, v = torch.randn(3, B, H, T, D, generator=torch.Generator().manual_seed(0)).double()
    out, weights = gpt.attention(q, k, v, causal=causal)
    torch.testing.assert_close(out, scaled_dot_product_attention(q, k, v, is_causal=causal))
    torch.testing.assert_close(weights @ v, out)
    # the last queries alone
    late, _ = gpt.attention(q[:, :, -1:], k, v, causal=causal)
    torch.testing.assert_close(late, out[:, :, -1:])


def test_more_queries_than_keys():
    q, k = torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 2, 4)
    for call in (
        lambda: gpt.attention(q, k, k),
        lambda: gather(q, k, k, 0.0),
        lambda: causal_mask(3, 2),
    ):
        with pytest.raises(ValueError, match="as many queries as keys, got T=3, S=2"):
            call()
    assert gpt.attention(q, k, k, causal=False)[1].shape == (1, 1, 3, 2)


def test_attention_on_paper():
    # the example of the chapter on architectures: weights of 4/7, 2/7 and 1/7
    q = torch.tensor([[[[2 * math.log(2), 0, 0, 0]]]], dtype=torch.float64)
    k = torch.tensor([[[[2.0, 0, 1, 0], [1, 1, 0, 0], [0, 3, 0, 1]]]]).double()
    v = torch.tensor([[[[7.0, 0, 0, 0], [0, 7, 0, 0], [14, 14, 0, 0]]]]).double()
    out, weights = gpt.attention(q, k, v)
    assert weights.flatten().tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    assert out.flatten().tolist() == pytest.approx([6, 4, 0, 0])


def test_a_rotation_knows_distances_only():
    config = Config(**SMALL, position="rotary")
    rotate = GPT(config).blocks[0].attention.rotate
    q, k = torch.randn(2, 1, 8, generator=torch.Generator().manual_seed(0))
    products = [(rotate(q, t) @ rotate(k, t - 3).T).item() for t in range(3, 12)]
    assert products == pytest.approx([products[0]] * 9, abs=1e-5)
    assert rotate(q, 5).norm().item() == pytest.approx(q.norm().item())
    assert (rotate(q, 5) - q).abs().max() > 0.1


def test_the_loss_is_the_mean_surprise():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[0, 4, 2], [1, 1, 3]])
    p = logits.numpy().astype(np.float64)
    p = np.exp(p) / np.exp(p).sum(-1, keepdims=True)
    by_hand = -np.mean([np.log(p[b, t, targets[b, t]]) for b in range(2) for t in range(3)])
    assert gpt.next_token_loss(logits, targets).item() == pytest.approx(by_hand)


def test_targets_in_32_bits_do():
    logits = torch.randn(2, 3, 5, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([[0, 4, 2], [1, 1, 3]])
    assert gpt.next_token_loss(logits, targets.int()) == gpt.next_token_loss(logits, targets)


def test_the_loss_refuses_targets_of_another_shape():
    logits = torch.zeros(2, 3, 5)
    for shape in ((3, 2), (6,), (2, 2)):
        with pytest.raises(Exception, match=r"one target for each row of the logits, got|type"):
            gpt.next_token_loss(logits, torch.zeros(shape, dtype=torch.long))


def test_a_loss_of_nothing():
    for B, T in ((0, 3), (2, 0)):
        with pytest.raises(ValueError, match=rf"one token, got targets.shape=\({B}, {T}\)"):
            gpt.next_token_loss(torch.zeros(B, T, 5), torch.zeros(B, T, dtype=torch.long))


# ---- the start, and the names ----


def test_the_start_is_that_of_gpt2():
    config = preset("nanogpt-cpu", bias=True, tied=False)
    torch.manual_seed(0)
    model = GPT(config)
    for name, p in model.named_parameters():
        if name.endswith("bias"):
            assert (p == 0).all(), name
        elif "norm" in name:
            assert (p == 1).all(), name
        else:
            narrow = name.endswith(("out.weight", "down.weight"))
            std = 0.02 / math.sqrt(2 * config.layers) if narrow else 0.02
            assert p.std().item() == pytest.approx(std, rel=0.05), name
            assert p.mean().item() == pytest.approx(0, abs=std / 10), name
    tokens = some_tokens(config, B=8)
    loss = gpt.next_token_loss(model(tokens), tokens.roll(1))
    assert loss.item() == pytest.approx(math.log(config.vocabulary), abs=0.1)


def test_a_start_from_zero():
    config = preset("nanogpt-cpu", tied=False, initialization="zero", bias=True)
    torch.manual_seed(0)
    model = GPT(config)
    expected = {"embed": 1, "positions": 1, "out": 0, "down": 0, "head": 0, "qkv": 0.5 / 128**0.5}
    expected["up"] = expected["qkv"]
    for name, p in model.named_parameters():
        if p.ndim == 2:
            std = expected[name.split(".")[-2]]
            assert p.std().item() == pytest.approx(std, rel=0.05), name
        else:
            assert (p == float("norm" in name and name.endswith("weight"))).all(), name
    assert (model(some_tokens(config)) == 0).all()
    tied = GPT(preset("nanogpt-cpu", initialization="zero"))
    assert tied.embed.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert tied.positions.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_the_same_seed_gives_the_same_model():
    for config in (Config(**SMALL), MODERN):
        first, second = (torch.manual_seed(7) and GPT(config).state_dict() for _ in range(2))
        assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("config", [Config(**SMALL), MODERN, Config(**SMALL, position="rotary")])
def test_a_model_that_gets_its_memory_late(config):
    with torch.device("meta"):
        model = GPT(config)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            tensor.fill_(math.nan)  # what the memory may hold
    expected = GPT(config)
    for each in (model, expected):
        torch.manual_seed(3)
        each.initialize()
    tokens = some_tokens(config)
    assert torch.equal(model(tokens), expected(tokens))
    assert (model.head.weight is model.embed.weight) == config.tied
    model.load_state_dict(build(config).state_dict())
    assert torch.equal(model(tokens), build(config)(tokens))


def test_the_state_has_names_that_files_can_rely_on():
    state = GPT(Config(**SMALL, position="rotary", bias=False)).state_dict()
    block = [
        "norm1.weight", "attention.qkv.weight", "attention.out.weight",
        "norm2.weight", "mlp.up.weight", "mlp.down.weight",
    ]  # fmt: skip
    assert list(state) == [
        "embed.weight",
        *(f"blocks.{b}.{name}" for b in range(2) for name in block),
        "norm.weight",
        "head.weight",
    ]
    learned = GPT(Config(**SMALL))
    assert "positions.weight" in learned.state_dict()
    assert learned.head.weight is learned.embed.weight
    assert "blocks.1.mlp.down.bias" in learned.state_dict()
    assert "head.bias" not in learned.state_dict()


def test_dropout_works_in_training_only():
    model = build(Config(**SMALL, dropout=0.5))
    tokens = some_tokens(model.config)
    assert torch.equal(model(tokens), model(tokens))
    assert torch.equal(model(tokens), build(Config(**SMALL))(tokens))
    model.train()
    assert not torch.allclose(model(tokens), model(tokens))
    places = [m for m in model.modules() if isinstance(m, torch.nn.Dropout)]
    for place in places:  # each place by itself
        for other in places:
            other.p = 0.5 if other is place else 0.0
        assert not torch.allclose(model(tokens), model(tokens))
    gathered = []  # before the output layer, where only the attention weights have dropout
    model.blocks[0].attention.out.register_forward_pre_hook(lambda _, x: gathered.append(x[0]))
    model.blocks[0].attention.dropout.p, model.dropout.p = 0.5, 0.0
    model(tokens), model(tokens)
    assert not torch.allclose(*gathered)


@pytest.mark.parametrize("config", [Config(**SMALL), MODERN], ids=["plain", "modern"])
def test_bfloat16_is_near_float32(config):
    torch.manual_seed(0)
    model = GPT(config)
    tokens = some_tokens(config)

    def step():
        model.zero_grad()
        logits = model(tokens)
        gpt.next_token_loss(logits, tokens.roll(1)).backward()
        gradient = torch.cat([p.grad.flatten().float() for p in model.parameters()])
        return logits.detach().float(), gradient / gradient.norm()

    exact, gradient = step()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.stream(tokens).dtype == torch.bfloat16
        logits, rounded = step()
    torch.testing.assert_close(logits, exact, rtol=0, atol=0.02)
    assert (gradient @ rounded).item() > 0.99
    model.bfloat16()
    logits, rounded = step()
    torch.testing.assert_close(logits, exact, rtol=0, atol=0.02)
    assert (gradient @ rounded).item() > 0.99
    half = Cache(config, batch=2, dtype=torch.bfloat16)
    pieces = [model(tokens[:, :5], half), model(tokens[:, 5:], half)]
    torch.testing.assert_close(torch.cat(pieces, 1).float(), exact, rtol=0, atol=0.02)


def test_the_loss_of_16_bits_is_summed_in_32():
    logits = torch.randn(50, 20, 65, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = some_tokens(preset("page"), B=50, T=20)
    loss = gpt.next_token_loss(logits, targets)
    assert loss.dtype == torch.float32
    exact = gpt.next_token_loss(logits.double(), targets)
    assert exact.dtype == torch.float64
    assert loss.item() == pytest.approx(exact.item(), rel=1e-5)


def test_every_parameter_learns():
    for config in (Config(**SMALL), MODERN):
        model, tokens = build(config), some_tokens(config)
        gpt.next_token_loss(model(tokens), tokens.roll(1)).backward()
        assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_the_cache_takes_no_gradients():
    model = build(Config(**SMALL))
    cache = Cache(model.config, batch=2)
    logits = model(some_tokens(model.config), cache)
    assert logits.requires_grad
    assert not cache.keys.requires_grad
    assert not cache.values.requires_grad


def test_attention_maps_need_no_mode_and_no_gradients():
    model = build(Config(**SMALL, dropout=0.5))
    tokens = some_tokens(model.config)
    calm = gpt.attention_maps(model, tokens)
    assert not calm.requires_grad
    model.train()
    model.blocks[0].eval()
    before = [part.training for part in model.modules()]
    assert torch.equal(gpt.attention_maps(model, tokens), calm)
    assert [part.training for part in model.modules()] == before
    with pytest.raises(ValueError, match="expected at most context=12 tokens, got 13"):
        gpt.attention_maps(model, torch.zeros(1, 13, dtype=torch.long))


# ---- errors ----


def test_too_many_tokens():
    model = build(Config(**SMALL))
    with pytest.raises(ValueError, match=r"^expected at most context=12 tokens, got 13$"):
        model(torch.zeros(1, 13, dtype=torch.long))
    cache = Cache(model.config)
    model(torch.zeros(1, 10, dtype=torch.long), cache)
    with pytest.raises(ValueError, match=r"^expected .*=12 tokens, got 3 after 10 in the cache$"):
        model(torch.zeros(1, 3, dtype=torch.long), cache)
    assert cache.length == 10
    with pytest.raises(ValueError, match=r"^expected 1 texts as in the cache, got 2$"):
        model(torch.zeros(2, 1, dtype=torch.long), cache)


@pytest.mark.parametrize("change", ["context", "layers", "heads", "width"])
def test_a_cache_of_another_config(change):
    model = build(Config(**SMALL))
    for factor in (2, 0.5):
        other = Cache(Config(**SMALL | {change: int(SMALL[change] * factor)}))
        with pytest.raises(ValueError, match=r"this config, of shape \(2, 1, 2, 12, 8\)"):
            model(torch.zeros(1, 1, dtype=torch.long), other)


def test_a_cache_of_another_type():
    model = build(Config(**SMALL))
    tokens = torch.zeros(1, 3, dtype=torch.long)
    half = Cache(model.config, dtype=torch.bfloat16)
    with pytest.raises(ValueError, match=r"a cache of torch.float32 as .*, got .*bfloat16$"):
        model(tokens, half)
    with torch.autocast("cpu", dtype=torch.bfloat16):  # this makes them alike
        for cache in (half, Cache(model.config)):
            torch.testing.assert_close(model(tokens, cache), model(tokens), rtol=0, atol=0.05)


def test_the_model_refuses_tokens_of_one_axis():
    with pytest.raises(Exception, match=r"expected tokens of shape \(B, T\)|type"):
        build(Config(**SMALL))(torch.zeros(3, dtype=torch.long))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vocabulary": 0}, "expected an integer of at least 1, got vocabulary=0"),
        ({"context": -1}, "expected an integer of at least 1, got context=-1"),
        ({"layers": 0}, "layers=0"),
        ({"heads": 3}, "expected a width that is a multiple of heads, got width=64, heads=3"),
        ({"dropout": 1.0}, "expected 0 <= dropout < 1, got dropout=1.0"),
        ({"dropout": -0.1}, "dropout=-0.1"),
        ({"dropout": math.nan}, "dropout=nan"),
        ({"width": 12, "position": "rotary"}, "expected an even head width, .* = 12 / 4 = 3"),
    ],
)
def test_a_config_of_bad_numbers(wrong, message):
    with pytest.raises(ValueError, match=message):
        Config(**wrong)
    with pytest.raises(ValueError, match=message):
        preset("page", **wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"norm": "batch"}, "expected norm to be one of 'layer', 'rms', got norm='batch'"),
        ({"position": None}, "expected position to be one of 'learned', 'rotary'"),
        ({"activation": "relu"}, "expected activation to be one of 'gelu', 'gelu_erf', 'relu2'"),
        ({"initialization": "small"}, "expected initialization to be one of 'gpt2', 'zero'"),
        ({"tied": 1}, "expected True or False, got tied=1"),
        ({"bias": "yes"}, "expected True or False, got bias='yes'"),
        ({"width": 64.0}, "expected an integer, got width=64.0"),
        ({"heads": True}, "expected an integer, got heads=True"),
        ({"dropout": "0.1"}, "expected a number, got dropout='0.1'"),
        ({"dropout": False}, "expected a number, got dropout=False"),
    ],
)
def test_a_config_refuses_bad_choices(wrong, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Config(**wrong)


def test_a_config_from_a_dict():
    config = Config(**SMALL, norm="rms")
    values = config.to_dict()
    assert Config.from_dict(values) == config
    assert hash(Config.from_dict(values)) == hash(config)
    with pytest.raises(ValueError, match="got also depth, size"):
        Config.from_dict({**values, "size": 1, "depth": 3})
    del values["norm"], values["bias"]
    with pytest.raises(ValueError, match="got none for bias, norm"):
        Config.from_dict(values)
    with pytest.raises(AttributeError):
        config.width = 3


def test_numbers_of_numpy_are_not_refused():
    config = Config(
        **{name: np.int64(number) for name, number in SMALL.items()}, dropout=np.float32(0.5)
    )
    assert config == Config(**SMALL, dropout=0.5)
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_presets_have_the_shapes_that_are_published():
    shapes = {
        name: (c.layers, c.heads, c.width, c.context, c.vocabulary)
        for name, c in gpt.PRESETS.items()
    }
    # nanoGPT's two settings for one text
    assert shapes["nanogpt-cpu"] == (4, 4, 128, 64, 65)
    assert shapes["gpu"] == (6, 6, 384, 256, 65)
    assert {shapes[name][3:] for name in shapes if name.startswith("gpt2")} == {(1024, 50257)}
    assert {shapes[name][3:] for name in shapes if name.startswith("gpt3")} == {(2048, 50257)}


def test_an_unknown_preset():
    with pytest.raises(ValueError, match="only fields of a config, got also depth, size"):
        preset("page", size=1, depth=3)
    with pytest.raises(ValueError, match=r"expected one of 'page', .*'gpt3', got name='gpt4'"):
        preset("gpt4")


# ---- sizes ----


@pytest.mark.parametrize("config", [*gpt.PRESETS.values(), *EVERY], ids=str)
def test_parameters_are_those_of_the_model(config):
    with torch.device("meta"):
        model = GPT(config)
    parts = {
        "token embedding": ("embed.",),
        "position embedding": ("positions.",),
        "attention": ("qkv.", "out."),
        "mlp": ("up.", "down."),
        "norms": ("norm",),
        "head": ("head.",),
    }
    expected = sizes.parameters(config)
    total = sum(p.numel() for p in model.parameters())
    assert expected["total"] == total
    for part, marks in parts.items():
        named = (p.numel() for n, p in model.named_parameters() if any(m in n for m in marks))
        assert expected[part] == sum(named), part


def test_the_sizes_that_are_published():
    page = sizes.parameters(preset("page"))["total"]
    assert page <= 225_000
    totals = {name: sizes.parameters(preset(name))["total"] for name in gpt.PRESETS}
    # Radford et al. 2019, as their files hold them
    assert totals["gpt2"] == 124_439_808
    assert totals["gpt2-medium"] == 354_823_168
    assert totals["gpt2-large"] == 774_030_080
    assert totals["gpt2-xl"] == 1_557_611_200
    # Brown et al. 2020, table 2.1, rounds
    units = {"m": 1e6, "b": 1e9}
    for name in gpt.PRESETS:
        if name.startswith("gpt3-"):
            said = float(name[5:-1]) * units[name[-1]]
            assert totals[name] == pytest.approx(said, rel=0.03), name
    head_widths = [preset(name).head_width for name in gpt.PRESETS if name.startswith("gpt3")]
    assert head_widths == [64, 64, 96, 128, 80, 128, 128, 128]
    assert {preset(n).head_width for n in gpt.PRESETS if n.startswith("gpt2")} == {64}
    # 96 layers of 12 * 12288^2 + 13 * 12288, and what stands around them
    assert 96 * 128 == preset("gpt3").width == 12288
    assert preset("gpt3").head_width == 128
    by_hand = 96 * (12 * 12288**2 + 13 * 12288) + (50257 + 2048) * 12288 + 2 * 12288
    assert totals["gpt3"] == by_hand == 174_604_259_328


@pytest.mark.parametrize("config", [preset("gpt2"), preset("gpt3", layers=2), *CHANGED], ids=str)
def test_flops_are_those_that_pytorch_counts(config):
    with torch.device("meta"):
        model = GPT(config)
        tokens = torch.zeros(2, config.context, dtype=torch.long)
    count = tokens.numel()
    with FlopCounterMode(display=False) as counter:
        logits = model(tokens)
    assert counter.get_total_flops() == count * sizes.flops_per_token(config, training=False)
    with FlopCounterMode(display=False) as counter:
        logits.sum().backward()
    backward = sizes.flops_per_token(config) - sizes.flops_per_token(config, training=False)
    assert counter.get_total_flops() == pytest.approx(count * backward, rel=1e-6)


def test_flops_of_gpt3():
    config = preset("gpt3")
    flops = sizes.training_flops(config, 300e9)
    assert flops.rule == pytest.approx(3.14e23, rel=0.002)  # Brown et al. 2020, table D.1
    assert flops.counted == sizes.flops_per_token(config) * 300_000_000_000
    assert flops.counted / flops.rule == pytest.approx(1.03, abs=0.02)
    matrices = 96 * 12 * 12288**2 + 50257 * 12288
    assert sizes.flops_per_token(config, attention=False) == 6 * matrices
    keys = 12 * 96 * 2048 * 12288
    assert sizes.flops_per_token(config) == 6 * matrices + keys


@pytest.mark.parametrize("vocabulary", [65, 5000])
def test_memory_is_what_tensors_take(vocabulary):
    config = Config(vocabulary=vocabulary)  # options may keep more
    model = GPT(config)
    tokens = some_tokens(config, B=6)
    kept = {}

    def pack(tensor):
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = gpt.next_token_loss(model(tokens), tokens)
    loss.backward()
    own = {p.data_ptr() for p in model.parameters()}
    activations = sum(size for place, size in kept.items() if place not in own)
    said = sizes.memory(config, batch=6)
    weights = sum(p.nbytes for p in model.parameters())
    assert said["weights"] == said["gradients"] == weights
    assert said["activations"] == pytest.approx(activations, rel=0.05)
    parts = ("weights", "gradients", "optimizer", "activations")
    assert said["training"] == sum(said[part] for part in parts)
    cache = Cache(config, batch=6)
    assert said["cache"] == cache.keys.nbytes + cache.values.nbytes
    assert said["inference"] == weights + said["cache"]
    half = sizes.memory(config, batch=6, activation_bytes=2)
    assert half["inference"] * 2 == said["inference"]
    in_32_bits = 4 * vocabulary * tokens.numel()  # the loss, in any case
    assert 2 * (half["activations"] - in_32_bits) == said["activations"] - in_32_bits


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "muon"])
def test_memory_of_optimizers(name):
    config = preset("page")
    model = GPT(config)
    matrices = [p for n, p in model.blocks.named_parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if all(p is not m for m in matrices)]
    optimizers = {
        "sgd": lambda: [torch.optim.SGD(model.parameters())],
        "momentum": lambda: [torch.optim.SGD(model.parameters(), momentum=0.9)],
        "adam": lambda: [torch.optim.Adam(model.parameters())],
        # Muon keeps one average, as momentum does
        "muon": lambda: [torch.optim.SGD(matrices, momentum=0.9), torch.optim.Adam(rest)],
    }[name]()
    tokens = some_tokens(config)
    gpt.next_token_loss(model(tokens), tokens).backward()
    held = 0
    for optimizer in optimizers:
        optimizer.step()
        state = optimizer.state_dict()["state"]
        held += sum(v.nbytes for s in state.values() for v in s.values()
                    if isinstance(v, torch.Tensor) and v.ndim)  # fmt: skip
    assert sizes.memory(config, optimizer=name)["optimizer"] == held


def test_time_and_utilization():
    v100 = sizes.HARDWARE["V100"]
    seconds = sizes.training_time(1e18, v100, devices=4, utilization=0.5)
    assert seconds == pytest.approx(1e18 / (125e12 * 4 * 0.5))
    assert sizes.utilization(1e18 / seconds / 4, v100) == pytest.approx(0.5)
    for hardware in sizes.HARDWARE.values():
        assert hardware.source
        assert hardware.precision == ("float16" if hardware is v100 else "bfloat16")
        # a product of large matrices is bound by arithmetic: more than 100 operations a byte
        assert 100 < hardware.flops_per_second / hardware.bytes_per_second < 400


def test_data_sheets():
    """NVIDIA's: dense tensor peak, bandwidth, memory."""
    figures = {
        name: (h.flops_per_second / 1e12, h.bytes_per_second / 1e12, h.memory / 1e9)
        for name, h in sizes.HARDWARE.items()
    }
    assert figures == {
        "V100": (125, 0.9, 32),
        "A100": (312, pytest.approx(2.039), 80),
        "H100": (989, pytest.approx(3.35), 80),
        "H200": (989, pytest.approx(4.8), 141),
    }
    assert sizes.utilization(2e15, sizes.HARDWARE["H100"]) > 2  # said, though it cannot be


def test_sizes_refuse_a_name_for_hardware():
    for call in (sizes.training_time, sizes.utilization):
        with pytest.raises(Exception, match=r"a Hardware, .*, got hardware='H100'|type"):
            call(1e18, "H100")


@pytest.mark.parametrize("number", ["flops_per_second", "bytes_per_second", "memory"])
def test_hardware_of_bad_numbers(number):
    with pytest.raises(ValueError, match=f"a positive number, got {number}=0.0"):
        dataclasses.replace(sizes.HARDWARE["A100"], **{number: 0.0})


def test_sizes_of_bad_numbers():
    with pytest.raises(ValueError, match="at most 1, got utilization=40"):
        sizes.training_time(1e18, sizes.HARDWARE["A100"], utilization=40)
    with pytest.raises(ValueError, match="got devices=0"):
        sizes.training_time(1e18, sizes.HARDWARE["A100"], devices=0)
    with pytest.raises(ValueError, match="positive number, got flops=0"):
        sizes.training_time(0, sizes.HARDWARE["A100"])
    with pytest.raises(ValueError, match="positive number, got tokens=-5"):
        sizes.training_flops(Config(), -5)
    with pytest.raises(ValueError, match="positive number, got flops_per_second=0"):
        sizes.utilization(0, sizes.HARDWARE["A100"])
    with pytest.raises(ValueError, match="at least 1, got batch=0"):
        sizes.memory(Config(), batch=0)


def test_memory_refuses_an_unknown_optimizer():
    with pytest.raises(Exception, match=r"got optimizer='adagrad'|type"):
        sizes.memory(Config(), optimizer="adagrad")
