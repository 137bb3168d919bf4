"""Windows, recipes, Muon, and the training of a GPT: against torch, kill -9, and bad input."""

import copy
import dataclasses
import json
import math
import os
import pickle
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from udl import gpt, train
from udl.gpt.recipe import quicker_on_cpu

TINY = gpt.Config(context=8, layers=2, heads=2, width=16)
# The gradient of a key's bias is zero but for rounding, of which Adam makes steps of full length.
EXACT = dataclasses.replace(TINY, bias=False)
SHORT = gpt.Recipe(steps=12, batch=4, alpha=1e-2, evaluate_every=4, precision="float32")
TEXT = "".join(random.Random(0).choices("abcde \n", k=400))


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small sums are quicker alone, and other processes want the processor too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def recipe(**changes):
    return dataclasses.replace(SHORT, **changes)


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Windows


@given(
    N=st.integers(2, 60),
    context=st.integers(1, 20),
    batch=st.integers(1, 5),
    steps=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_windows_are_slices_with_their_targets(N, context, batch, steps, seed):
    tokens = torch.randint(1000, (N,), generator=torch.Generator().manual_seed(seed))
    if context >= N:
        with pytest.raises(ValueError, match=f"more tokens .*, got {N} with context={context}:"):
            gpt.Windows(tokens, context, batch=batch, steps=steps)
        return
    windows = gpt.Windows(tokens, context, batch=batch, steps=steps, seed=seed)
    slices = {tuple(tokens[i : i + context + 1].tolist()) for i in range(N - context)}
    epoch = list(windows)
    assert len(epoch) == len(windows) == steps
    for x, y in epoch:
        assert x.shape == y.shape == (batch, context)
        assert {(*a, b[-1]) for a, b in zip(x.tolist(), y.tolist(), strict=True)} <= slices
        assert torch.equal(x[:, 1:], y[:, :-1])


def starts(windows):
    return [x[:, 0].tolist() for x, _ in windows]


def test_every_window_is_drawn_about_as_often():
    windows = gpt.Windows(torch.arange(12), 4, batch=50, steps=80)
    drawn = np.bincount(np.ravel(starts(windows)))
    assert len(drawn) == 8  # the last one ends with the last token
    assert drawn.min() > 400
    assert drawn.max() < 600


def test_windows_depend_on_the_seed_and_the_epoch_alone():
    def make(seed=3, **options):
        return gpt.Windows(torch.arange(1000), 5, batch=4, steps=6, seed=seed, **options)

    a, b = make(), make()
    first = starts(a)
    torch.manual_seed(5)
    assert starts(b) == first
    state = a.state_dict()
    second = starts(a)
    assert second != first
    assert starts(make(4)) != first
    c = make(9)
    c.load_state_dict(state)
    assert starts(c) == second
    with pytest.raises(ValueError, match=r"state of windows with .*'batch': 3.*got .*'batch': 4"):
        gpt.Windows(torch.arange(1000), 5, batch=3, steps=6).load_state_dict(state)
    assert isinstance(a, train.Source)


def test_the_last_epoch_of_windows_may_be_shorter():
    windows = gpt.Windows(torch.arange(100), 4, batch=2, steps=3, total=8)
    lengths = [len(list(windows)) for _ in range(2)]
    again = gpt.Windows(torch.arange(100), 4, batch=2, steps=3, total=8)
    again.load_state_dict(windows.state_dict())
    last = starts(windows)
    assert [*lengths, len(last), len(list(windows))] == [3, 3, 2, 0]
    assert starts(again) == last


@given(N=st.integers(2, 60), context=st.integers(1, 20))
def test_validation_windows_cover_the_text_once(N, context):
    tokens = torch.arange(N) * 10
    if context >= N:
        with pytest.raises(ValueError, match="take a longer text or a smaller context"):
            gpt.validation_windows(tokens, context)
        return
    x, y = gpt.validation_windows(tokens, context)
    assert x.shape == y.shape == ((N - 1) // context, context)
    assert torch.equal(x + 10, y)
    assert y.flatten().tolist() == tokens[1 : y.numel() + 1].tolist()
    assert 0 <= N - 1 - y.numel() < context


def test_windows_of_no_batches():
    with pytest.raises(ValueError, match="at least 1, got total=0"):
        gpt.Windows(torch.arange(20), 2, batch=1, steps=1, total=0)


def test_windows_refuse_a_text_with_two_axes():
    with pytest.raises(ValueError, match=r"tokens of shape \(N,\), got shape \(3, 4\)"):
        gpt.Windows(torch.ones(3, 4), 2, batch=1, steps=1)


# Recipe


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"steps": 0}, "at least 1, got steps=0"),
        ({"batch": 0}, "at least 1, got batch=0"),
        ({"accumulate": 0}, "at least 1, got accumulate=0"),
        ({"evaluate_every": 0}, "at least 1, got evaluate_every=0"),
        ({"alpha": 0.0}, "a positive number, got alpha=0.0"),
        ({"alpha": math.nan}, "a positive number, got alpha=nan"),
        ({"muon_alpha": -1.0}, "a positive number, got muon_alpha=-1.0"),
        ({"clip": 0.0}, "a positive number, got clip=0.0"),
        ({"optimizer": "sgd"}, r"one of \('adamw', 'muon'\), got optimizer='sgd'"),
        ({"schedule": "step"}, r"one of \('cosine', 'linear'\), got schedule='step'"),
        ({"precision": "float8"}, r"one of \('auto', .*\), got precision='float8'"),
        ({"warmup": 100}, "a share between 0 and 1, got warmup=100"),
        ({"final": -0.1}, "a share between 0 and 1, got final=-0.1"),
        ({"weight_decay": -1.0}, "of at least 0, got weight_decay=-1.0"),
        ({"seed": -1}, r"an integer in \[0, 2\^63\), got seed=-1"),
        ({"seed": 2**63}, r"an integer in \[0, 2\^63\), got seed=9223372036854775808"),
        ({"betas": (0.9, 1.0)}, r"two numbers in \[0, 1\), got betas=\(0.9, 1.0\)"),
    ],
)
def test_recipes_refuse_what_no_training_can_have(changes, match):
    with pytest.raises(ValueError, match=match):
        recipe(**changes)


def test_recipes_are_plain_and_come_back():
    for one in gpt.RECIPES.values():
        plain = json.loads(json.dumps(one.to_dict()))
        assert gpt.Recipe.from_dict(plain) == one
    plain = SHORT.to_dict()
    with pytest.raises(ValueError, match="only fields of a recipe, got also surprise"):
        gpt.Recipe.from_dict({**plain, "surprise": 1})
    del plain["betas"], plain["alpha"]
    with pytest.raises(ValueError, match="all fields of a recipe, got none for alpha, betas"):
        gpt.Recipe.from_dict(plain)
    with pytest.raises(dataclasses.FrozenInstanceError):
        SHORT.steps = 3
    assert set(gpt.RECIPES) <= set(gpt.PRESETS)


def test_recipes_refuse_other_types():
    assert recipe(betas=[0.8, 0.9]) == recipe(betas=(0.8, 0.9))
    for seed in (0.5, True, "0"):
        with pytest.raises(TypeError, match="expected an integer, got seed="):
            recipe(seed=seed)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
@pytest.mark.parametrize("warmup", [0.0, 0.2])
def test_the_rate_rises_and_falls(schedule, warmup):
    one = recipe(steps=100, schedule=schedule, warmup=warmup, final=0.25)
    rates = [one.rate(t) for t in range(101)]
    top = int(100 * warmup)
    assert rates[top] == max(rates) == 1.0
    assert rates[100] == pytest.approx(0.25)
    assert rates == sorted(rates[: top + 1]) + sorted(rates[top + 1 :], reverse=True)
    middle = rates[(top + 100) // 2]
    assert middle == pytest.approx(0.625)
    quarter = rates[top + (100 - top) // 4]
    expected = {"cosine": 0.25 + 0.75 * (1 + math.sqrt(0.5)) / 2, "linear": 1 - 0.75 / 4}
    assert quarter == pytest.approx(expected[schedule])


def test_a_recipe_of_one_step_has_a_rate():
    assert recipe(steps=1, warmup=1.0).rate(0) == 1.0


def test_bfloat16_is_chosen_where_it_is_quicker(monkeypatch):
    module = sys.modules["udl.gpt.recipe"]
    chosen = []
    for slow in (4e-3, 1e-3):
        seconds = {torch.float32: slow, torch.bfloat16: 1e-3}
        monkeypatch.setattr(module, "linear", lambda a, b, s=seconds: time.sleep(s[a.dtype]))
        quicker_on_cpu.cache_clear()
        chosen.append(quicker_on_cpu(8, 8))
    quicker_on_cpu.cache_clear()
    assert chosen == ["bfloat16", "float32"]


def test_a_busy_moment_does_not_choose_the_precision(monkeypatch):
    """The first five calls are slow, whichever they are of."""
    calls = []

    def linear(a, b):
        calls.append(a.dtype)
        time.sleep(3e-3 if len(calls) <= 5 else 1e-4 if a.dtype == torch.bfloat16 else 1e-3)

    monkeypatch.setattr(sys.modules["udl.gpt.recipe"], "linear", linear)
    quicker_on_cpu.cache_clear()
    assert quicker_on_cpu(8, 8) == "bfloat16"
    quicker_on_cpu.cache_clear()
    assert calls[:4] == [torch.float32, torch.bfloat16] * 2  # in turns


# Muon


def singular_values(matrix):
    return np.linalg.svd(matrix.double().numpy(), compute_uv=False)


@pytest.mark.parametrize("shape", [(8, 8), (6, 20), (20, 6), (3, 7, 5), (1, 4)])
def test_orthogonalize_keeps_the_singular_vectors(shape):
    """By the polynomial on the singular values that NumPy finds."""
    G = torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    got = gpt.orthogonalize(G)
    for g, o in zip(G.reshape(-1, *shape[-2:]), got.reshape(-1, *shape[-2:]), strict=True):
        U, s, V = np.linalg.svd(g.numpy(), full_matrices=False)
        s = s / np.sqrt(np.sum(s**2))
        for _ in range(5):
            s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
        np.testing.assert_allclose(o.numpy(), U * s @ V, atol=1e-9)
        assert np.all((s > 0.6) & (s < 1.3))


def test_orthogonalize_of_spread_singular_values():
    """What the docstring says: from 0.003 of the norm on they come near 1, below they grow."""
    generator = torch.Generator().manual_seed(2)
    U, V = (torch.linalg.qr(torch.randn(40, 40, generator=generator).double())[0] for _ in "UV")
    s = torch.logspace(-6, 0, 40, dtype=torch.float64)
    s = s / s.square().sum().sqrt()
    turned = (U.mT @ gpt.orthogonalize(U * s @ V) @ V.mT).diagonal()
    large = s > 0.003
    assert 5 < large.sum() < 35
    assert turned[large].min() > 0.68
    assert turned[large].max() < 1.21
    assert turned[~large].max() < 1.21
    assert turned[:5].numpy() == pytest.approx(3.4445**5 * s[:5].numpy(), rel=1e-3)


def test_orthogonalize_of_tiny_gradients():
    G = torch.randn(4, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(gpt.orthogonalize(1e-6 * G), gpt.orthogonalize(G))


def test_orthogonalize_refuses_vectors():
    with pytest.raises(ValueError, match=r"expected matrices, got shape \(3,\)"):
        gpt.orthogonalize(torch.ones(3))


def test_muon_computes_in_the_type_that_was_asked_for(monkeypatch):
    asked = []

    def noted(matrices, *, steps, dtype):
        asked.append(dtype)
        return matrices

    monkeypatch.setattr(sys.modules["udl.gpt.muon"], "orthogonalize", noted)
    for dtype in (None, torch.bfloat16):
        weight = nn.Parameter(torch.ones(2, 2))
        weight.grad = torch.ones(2, 2)
        gpt.Muon([weight], dtype=dtype).step()
    for precision in ("float32", "bfloat16"):
        gpt.fit(TINY, TEXT, recipe(steps=1, optimizer="muon", precision=precision))
    assert asked[:2] == [None, torch.bfloat16]
    assert set(asked[2:]) == {torch.float32, torch.bfloat16}


def test_orthogonalize_of_nothing():
    assert torch.equal(gpt.orthogonalize(torch.zeros(3, 4)), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="at least 1, got steps=0"):
        gpt.orthogonalize(torch.zeros(3, 4), steps=0)


def tower(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(6, 12),
        nn.Tanh(),
        nn.Linear(12, 12),
        nn.Tanh(),
        nn.Linear(12, 12),
        nn.Tanh(),
        nn.Linear(12, 3),
    )


def descend(model, optimizers, steps=8):
    x = torch.randn(20, 6, generator=torch.Generator().manual_seed(5))
    y = x[:, :3].argmax(1)
    for step in range(steps):
        for optimizer in optimizers:
            optimizer.zero_grad()
            for group in optimizer.param_groups:
                group["lr"] *= 0.9
        cross_entropy(model(x), y).backward()
        if step == 3:
            model[2].weight.grad = None  # a layer that took no part
        for optimizer in optimizers:
            optimizer.step()


def parts_of(model):
    hidden = [p for p in model.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if p.ndim != 2]
    return hidden, rest


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch before 2.9")
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muon_is_torchs_muon_and_adamw(weight_decay):
    """In bfloat16, in which torch's computes: sums of other order round differently."""
    mine, theirs = tower(), tower()
    hidden, rest = parts_of(theirs)
    oracle = [
        torch.optim.Muon(hidden, lr=0.05, momentum=0.9, weight_decay=weight_decay),
        torch.optim.AdamW(rest, lr=1e-2, betas=(0.8, 0.9), weight_decay=0.2),
    ]
    descend(theirs, oracle)
    hidden, rest = parts_of(mine)
    optimizer = gpt.Muon(
        hidden,
        rest,
        lr=0.05,
        momentum=0.9,
        weight_decay=weight_decay,
        dtype=torch.bfloat16,
        others_lr=1e-2,
        betas=(0.8, 0.9),
    )
    optimizer.param_groups[1]["weight_decay"] = 0.2
    descend(mine, [optimizer])
    start = tower().state_dict()
    for name, value in mine.state_dict().items():
        moved = (theirs.state_dict()[name] - start[name]).abs().max()
        assert (value - theirs.state_dict()[name]).abs().max() < 0.02 * moved, name
    assert not same(mine, tower())


def test_muon_is_the_rule_written_out():
    """In float64 and one matrix after another, so that nothing rounds."""
    mine, bare = tower().double(), tower().double()
    hidden, _ = parts_of(mine)
    optimizer = gpt.Muon(hidden, lr=0.05, momentum=0.9, weight_decay=0.3)
    x = torch.randn(20, 6, dtype=torch.float64)
    momenta = {}
    for _ in range(6):
        optimizer.zero_grad()
        mine(x).square().mean().backward()
        optimizer.step()
        hidden, _ = parts_of(bare)
        gradients = torch.autograd.grad(bare(x).square().mean(), hidden)
        with torch.no_grad():
            for W, G in zip(hidden, gradients, strict=True):
                M = momenta[W] = 0.9 * momenta.get(W, torch.zeros_like(W)) + 0.1 * G
                turned = gpt.orthogonalize(0.1 * G + 0.9 * M)
                R, C = W.shape
                W.copy_(W - 0.05 * 0.3 * W - 0.05 * max(1.0, R / C) ** 0.5 * turned)
    for name, value in mine.state_dict().items():
        torch.testing.assert_close(value, bare.state_dict()[name], rtol=1e-12, atol=1e-12)


def test_muon_goes_on_from_a_state():
    def make(seed):
        model = tower(seed)
        hidden, rest = parts_of(model)
        return model, gpt.Muon(hidden, rest, lr=0.05, others_lr=1e-2, fused=True)

    whole, optimizer = make(0)
    descend(whole, [optimizer], 4)
    state, weights = copy.deepcopy((optimizer.state_dict(), whole.state_dict()))
    again, other = make(1)
    again.load_state_dict(weights)
    other.load_state_dict(state)
    descend(whole, [optimizer], 4)
    descend(again, [other], 4)
    assert same(whole, again)


@pytest.mark.parametrize("again", [copy.deepcopy, lambda both: pickle.loads(pickle.dumps(both))])
def test_muon_can_be_copied(again):
    model = tower()
    optimizer = gpt.Muon(*parts_of(model), lr=0.05, dtype=torch.bfloat16, others_lr=1e-2)
    descend(model, [optimizer], 3)
    other, copied = again((model, optimizer))
    descend(model, [optimizer], 3)
    assert not same(model, other)
    descend(other, [copied], 3)
    assert same(model, other)


def test_muon_has_no_hidden_decay_and_no_later_groups():
    hidden, rest = parts_of(tower())
    optimizer = gpt.Muon(hidden, [{"params": rest[:1], "weight_decay": 0.5}, {"params": rest[1:]}])
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.0, 0.5, 0.0]
    with pytest.raises(ValueError, match="when Muon is made, got a group later"):
        optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})


def test_muon_refuses_unknown_options():
    with pytest.raises(TypeError, match="surprise"):
        gpt.Muon([torch.ones(2, 2)], surprise=1)


def test_muon_takes_a_closure():
    model = tower()
    hidden, rest = parts_of(model)
    optimizer = gpt.Muon(hidden, rest)

    def closure():
        optimizer.zero_grad()
        value = model(torch.ones(2, 6)).square().mean()
        value.backward()
        return value

    assert optimizer.step(closure).item() > optimizer.step(closure).item()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"matrices": []}, "at least one matrix, got none"),
        ({"matrices": [torch.ones(3)]}, r"expected matrices, got one of shape \(3,\)"),
        ({"lr": 0.0}, "a positive number, got lr=0.0"),
        ({"others_lr": -1.0}, "a positive number, got others_lr=-1.0"),
        ({"momentum": 1.0}, r"a momentum in \[0, 1\), got momentum=1.0"),
        ({"weight_decay": -0.1}, "a weight_decay of at least 0, got -0.1"),
        ({"steps": 0}, "at least 1, got steps=0"),
    ],
)
def test_muon_refuses_numbers_out_of_range(options, match):
    with pytest.raises(ValueError, match=match):
        gpt.Muon(**{"matrices": [torch.ones(3, 3)], **options})


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("options", [{}, {"tied": False, "bias": False, "norm": "rms"}])
def test_each_parameter_has_one_rule(optimizer, options):
    model = gpt.GPT(dataclasses.replace(TINY, **options))
    made = gpt.optimizer_for(model, recipe(optimizer=optimizer, weight_decay=0.3))
    names = {id(p): name for name, p in model.named_parameters()}
    held = [names[id(p)] for group in made.param_groups for p in group["params"]]
    assert sorted(held) == sorted(names.values())
    for group in made.param_groups:
        for p in group["params"]:
            name = names[id(p)]
            assert group["weight_decay"] == (0.3 if p.ndim == 2 else 0.0), name
            hidden = optimizer == "muon" and name.startswith("blocks.") and p.ndim == 2
            assert group.get("rule") == (
                "muon" if hidden else "adamw" if optimizer == "muon" else None
            )
            assert group["lr"] == (SHORT.muon_alpha if hidden else SHORT.alpha), name


# Training


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_pattern_is_learned(optimizer):
    """Two symbols tell what follows; one does not, at the beginning of a window."""
    one = recipe(steps=240, batch=16, optimizer=optimizer, evaluate_every=80, schedule="linear")
    trained = gpt.fit(TINY, "aabb" * 80, one)
    losses = trained.history["validation_loss"]
    assert losses[-1] < 0.15 < math.log(2)
    x, y = gpt.validation_windows(torch.tensor(trained.tokenizer.encode("aabb" * 10)), 8)
    assert cross_entropy(trained.model(x)[:, 1:].flatten(0, 1), y[:, 1:].flatten()) < 0.02
    assert not trained.model.training
    assert trained.config == dataclasses.replace(TINY, vocabulary=2)
    assert trained.steps.tolist() == [80, 160, 240]


def test_fit_is_the_bare_loop():
    """Drawn, stepped and measured once more, without the package's loop."""
    one = recipe(steps=10, evaluate_every=5, weight_decay=0.3, clip=0.5)
    trained = gpt.fit(EXACT, TEXT, one, validation=0.25)

    symbols = sorted(set(TEXT))
    tokens = torch.tensor([symbols.index(symbol) for symbol in TEXT])
    torch.manual_seed(0)
    model = gpt.GPT(dataclasses.replace(EXACT, vocabulary=7))
    decayed = [p for p in model.parameters() if p.ndim == 2]
    others = [p for p in model.parameters() if p.ndim != 2]
    groups = [{"params": decayed, "weight_decay": 0.3}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99))
    windows = gpt.Windows(tokens[:300], 8, batch=4, steps=5)
    step, losses, measured = 0, [], []
    for _ in range(2):
        for x, y in windows:
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 * one.rate(step)
            loss = cross_entropy(model(x).flatten(0, 1), y.flatten())
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            step += 1
            losses.append(loss.item())
        rows = [tokens[i : i + 9] for i in range(300, 392, 8)]
        f = model(torch.stack([row[:-1] for row in rows]))
        y = torch.stack([row[1:] for row in rows])
        measured.append(cross_entropy(f.flatten(0, 1), y.flatten()).item())
    got = trained.history
    assert got["train_loss"] == pytest.approx([np.mean(losses[:5]), np.mean(losses[5:])], rel=1e-5)
    assert got["validation_loss"] == pytest.approx(measured, rel=1e-5)
    for name, value in trained.model.state_dict().items():
        torch.testing.assert_close(value, model.state_dict()[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon", "accumulate": 2}])
def test_two_trainings_are_the_same_bits(changes):
    config = dataclasses.replace(TINY, dropout=0.2)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = gpt.fit(config, TEXT, recipe(**changes))
    assert torch.equal(torch.get_rng_state(), before)  # the caller's numbers are left alone
    torch.manual_seed(2)
    second = gpt.fit(
        config, TEXT, recipe(**changes), on_evaluation=lambda p: (torch.rand(3), p.model.train())
    )
    assert same(first.model, second.model)
    assert first.history == second.history
    third = gpt.fit(config, TEXT, recipe(seed=1, **changes))
    assert not same(first.model, third.model)


def test_accumulated_batches_are_one_large_batch():
    small = recipe(batch=3, accumulate=4, steps=6, evaluate_every=4, optimizer="muon")
    large = recipe(batch=12, accumulate=1, steps=6, evaluate_every=4, optimizer="muon")
    assert small.windows == large.windows
    a, b = (gpt.fit(EXACT, TEXT, one) for one in (small, large))
    for column in ("train_loss", "validation_loss", "rate"):
        assert a.history[column] == pytest.approx(b.history[column], rel=1e-6)
    for name, value in a.model.state_dict().items():
        torch.testing.assert_close(value, b.model.state_dict()[name], rtol=0, atol=1e-6)


def test_progress_is_told_at_each_measurement():
    seen = []

    def tell(now):
        assert not now.model.training
        seen.append(now)

    trained = gpt.fit(TINY, TEXT, recipe(steps=10), on_evaluation=tell)
    assert [now.step for now in seen] == trained.steps.tolist() == [4, 8, 10]
    assert [now.validation_loss for now in seen] == trained.history["validation_loss"].tolist()
    assert [now.train_loss for now in seen] == trained.history["train_loss"].tolist()
    assert seen[-1].seconds == pytest.approx(trained.history["seconds"].sum())
    assert seen[-1].model is trained.model


def test_fit_without_validation_and_of_tokens():
    seen = []
    tokens = torch.tensor(list(TEXT.encode())).int()
    config = dataclasses.replace(TINY, vocabulary=256)
    trained = gpt.fit(config, tokens, SHORT, validation=None, on_evaluation=seen.append)
    assert trained.tokenizer is None
    assert trained.config == config
    assert "validation_loss" not in trained.history
    assert all(math.isnan(now.validation_loss) for now in seen)


def test_fit_with_a_tokenizer_of_ones_own():
    tokenizer = gpt.Characters(TEXT + "xyz")
    config = dataclasses.replace(TINY, vocabulary=16)  # more than needed: sizes may be rounded up
    trained = gpt.fit(config, TEXT, SHORT, tokenizer=tokenizer)
    assert trained.tokenizer is tokenizer
    assert trained.config == config


def test_bfloat16_learns_too():
    trained = gpt.fit(
        TINY, "abcd" * 100, recipe(steps=60, evaluate_every=30, precision="bfloat16")
    )
    assert trained.history["validation_loss"][-1] < 0.2
    assert all(p.dtype == torch.float32 for p in trained.model.parameters())


def test_a_compiled_model_is_the_same_model(monkeypatch):
    """That torch compiles is torch's affair; that its names stay is ours."""
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled.append(self))
    trained = gpt.fit(TINY, TEXT, recipe(compile=True))
    assert compiled == [trained.model]


# Folders


def states(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_holds_all_that_is_needed(tmp_path):
    trained = gpt.fit(TINY, TEXT, SHORT, folder=tmp_path / "deep" / "er")
    folder = tmp_path / "deep" / "er"
    assert sorted(states(folder)) == ["best.pt", "last.pt", "run.json"]
    torch.manual_seed(3)
    before = torch.get_rng_state()
    last = gpt.load(folder, "last")
    assert torch.equal(torch.get_rng_state(), before)
    assert same(last.model, trained.model)
    assert not last.model.training
    assert last.history == trained.history
    assert (last.config, last.recipe) == (trained.config, trained.recipe)
    assert last.tokenizer.encode("ab\n") == trained.tokenizer.encode("ab\n")
    best = gpt.load(folder)
    assert len(best.history) == trained.history.best + 1
    tokens = torch.tensor(trained.tokenizer.encode(TEXT)[360:])
    measured = train.evaluate(best.model, gpt.next_token_loss, gpt.validation_windows(tokens, 8))[
        "loss"
    ]
    assert measured == pytest.approx(trained.history["validation_loss"].min(), rel=1e-6)


def test_load_of_tokens_alone_has_no_tokenizer(tmp_path):
    gpt.fit(TINY, torch.arange(200) % 5, SHORT, folder=tmp_path)
    assert gpt.load(tmp_path).tokenizer is None


def test_resume_refuses_another_run(tmp_path):
    gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path)
    before = states(tmp_path)

    def refused(match, config=TINY, text=TEXT, one=None, **options):
        with pytest.raises(train.CheckpointError, match=match):
            gpt.fit(config, text, one or recipe(steps=4), folder=tmp_path, resume=True, **options)
        assert states(tmp_path) == before

    wide = dataclasses.replace(TINY, width=32)
    refused(r"another config: expected config.width = 32, got 16", wide)
    refused(r"another recipe: expected recipe.steps = 8, got 4", one=recipe(steps=8))
    refused(r"another text: expected text.tokens = 401, got 400", text=TEXT + "a")
    refused(r"another text: expected text.sha256 = \w+, got \w+", text=TEXT[::-1])
    refused(r"another config: expected config.vocabulary = 8, got 7", text="z" + TEXT[1:])
    refused(r"another validation: expected validation = 0.2, got 0.1", validation=0.2)
    other = TEXT.translate(str.maketrans("a", "z"))
    refused(r"another tokenizer: expected tokenizer", text=other)
    whole = gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path, resume=True)
    assert same(whole.model, gpt.load(tmp_path, "last").model)


def _stop(now):
    raise RuntimeError("stop")


def test_a_folder_with_a_training_is_not_for_another(tmp_path):
    gpt.fit(TINY, TEXT, SHORT, folder=tmp_path)
    for name in ("run.json", "best.pt", "last.pt"):  # whatever is left of it
        before = states(tmp_path)
        with pytest.raises(train.CheckpointError, match=r"resume=True.*another folder"):
            gpt.fit(TINY, TEXT, SHORT, folder=tmp_path)
        assert states(tmp_path) == before
        (tmp_path / name).unlink()
    (tmp_path / "step-00000004").mkdir()
    with pytest.raises(train.CheckpointError, match=r"got .*step-00000004"):
        gpt.fit(TINY, TEXT, SHORT, folder=tmp_path)
    (tmp_path / "step-00000004").rmdir()
    gpt.fit(TINY, TEXT, SHORT, folder=tmp_path)


def test_a_run_without_checkpoints_is_begun_anew(tmp_path):
    with pytest.raises(RuntimeError, match="stop"):
        gpt.fit(TINY, TEXT, SHORT, folder=tmp_path, on_evaluation=_stop)
    assert sorted(states(tmp_path)) == ["run.json"]
    wide = dataclasses.replace(TINY, width=32)
    trained = gpt.fit(wide, TEXT, SHORT, folder=tmp_path, resume=True)
    assert same(gpt.load(tmp_path, "last").model, trained.model)


def test_a_run_of_something_else_is_never_overwritten(tmp_path):
    path = tmp_path / "run.json"
    for content in ('{"mine": 1}', "notes", '{"format": "udl.gpt.parallel 1"}'):
        path.write_text(content)
        for resume in (False, True):
            with pytest.raises(train.CheckpointError):
                gpt.fit(TINY, TEXT, SHORT, folder=tmp_path, resume=resume)
            assert path.read_text() == content
    with pytest.raises(train.CheckpointError, match=r"udl.gpt.fit, got one of udl.gpt.parallel"):
        gpt.load(tmp_path)


def test_the_best_without_the_last_is_no_beginning(tmp_path):
    whole = gpt.fit(TINY, TEXT, SHORT, folder=tmp_path)
    (tmp_path / "last.pt").unlink()
    before = states(tmp_path)
    with pytest.raises(train.CheckpointError, match=r"last.pt to go on from, got .*best.pt"):
        gpt.fit(TINY, TEXT, SHORT, folder=tmp_path, resume=True)
    assert states(tmp_path) == before
    (tmp_path / "last.pt").write_bytes(before["best.pt"])  # as the message says
    again = gpt.fit(TINY, TEXT, SHORT, folder=tmp_path, resume=True)
    assert same(again.model, whole.model)


def test_what_the_device_has_not_is_refused_before_a_file_is_written(tmp_path):
    with pytest.raises(ValueError, match="precision='float16'"):
        gpt.fit(TINY, TEXT, recipe(precision="float16"), folder=tmp_path / "a", device="cpu")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "expected .*, got no file .*run.json"),
        (b"", "run.json is damaged"),
        (b"\xff\xfe", "run.json is damaged"),
        (b"[1, 2]", "a run of format 'udl.gpt 1', got another"),
        (b'{"format": "udl.gpt 0"}', "a run of format 'udl.gpt 1', got another"),
        (b'{"format": "udl.gpt 1"}', "damaged: no config, measured, recipe, tokenizer"),
    ],
)
def test_a_damaged_run_is_named(tmp_path, content, match):
    gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path)
    path = tmp_path / "run.json"
    path.unlink() if content is None else path.write_bytes(content)
    for use in (
        lambda: gpt.load(tmp_path),
        lambda: gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path, resume=True),
    ):
        with pytest.raises(train.CheckpointError, match=match):
            use()


@pytest.mark.parametrize(
    ("part", "name", "value", "match"),
    [
        ("config", "width", -1, "damaged: .*width"),
        ("config", "surprise", 1, "damaged: .*surprise"),
        ("recipe", "steps", 0, "damaged: .*steps=0"),
        ("recipe", "surprise", 1, "damaged: .*surprise"),
        ("tokenizer", "kind", "runes", "damaged: .*runes"),
        ("config", "width", 32, "made with another model"),
        ("measured", "precision", 16, "damaged: no precision in measured"),
        (None, "measured", [1], r"damaged: measured is '\[1\]'"),
        (None, "config", "small", "damaged: config is 'small'"),
        (None, "recipe", None, "damaged: recipe is 'None'"),
    ],
)
def test_a_run_with_wrong_values_is_named(tmp_path, part, name, value, match):
    gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path)
    path = tmp_path / "run.json"
    facts = json.loads(path.read_text())
    (facts if part is None else facts[part])[name] = value
    path.write_text(json.dumps(facts))
    with pytest.raises(train.CheckpointError, match=match):
        gpt.load(tmp_path)


def test_damaged_checkpoints_are_named(tmp_path):
    gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path)
    for name in ("last.pt", "best.pt"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:1000])
    for which in ("last", "best"):
        with pytest.raises(train.CheckpointError, match=rf"{which}.pt is damaged"):
            gpt.load(tmp_path, which)
    with pytest.raises(train.CheckpointError, match=r"last.pt is damaged"):
        gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path, resume=True)


def test_load_refuses_other_names(tmp_path):
    gpt.fit(TINY, TEXT, recipe(steps=4), folder=tmp_path)
    with pytest.raises(ValueError, match="'best' or 'last', got which='worst'"):
        gpt.load(tmp_path, "worst")


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(train.CheckpointError, match=r"could not write to .*taken"):
        gpt.fit(TINY, TEXT, SHORT, folder=tmp_path / "taken")


def test_the_precision_that_was_measured_first_stays(tmp_path, monkeypatch):
    module = sys.modules["udl.gpt.train"]
    one = recipe(steps=8, precision="auto")
    whole = gpt.fit(TINY, TEXT, recipe(steps=8, precision="bfloat16"))
    monkeypatch.setattr(module, "quicker_on_cpu", lambda rows, width: "bfloat16")
    with pytest.raises(RuntimeError, match="stop"):
        gpt.fit(
            TINY,
            TEXT,
            one,
            folder=tmp_path,
            on_evaluation=lambda now: now.step > 4 and _stop(now),
        )
    monkeypatch.setattr(module, "quicker_on_cpu", lambda rows, width: "float32")
    trained = gpt.fit(TINY, TEXT, one, folder=tmp_path, resume=True)
    assert same(trained.model, whole.model)
    loaded = gpt.load(tmp_path)
    assert trained.precision == whole.precision == loaded.precision == "bfloat16"
    assert trained.recipe == loaded.recipe == one
    assert gpt.fit(TINY, TEXT, one).precision == "float32"


# Killed, and interrupted


def killable(folder, changes, resume=True):
    config = dataclasses.replace(TINY, dropout=0.2)
    one = recipe(steps=20, evaluate_every=3, **changes)
    return gpt.fit(config, TEXT, one, folder=folder, resume=resume)


def result(trained):
    weights = b"".join(v.numpy().tobytes() for v in trained.model.state_dict().values())
    history = trained.history
    rows = {n: history[n].tobytes() for n in history.names if n != "seconds"}
    return weights + repr(sorted(rows.items())).encode()


# Forks, as in the tests of the loop: to load torch takes longer than to train. Each kind is
# killed at random moments, and interrupted at others, until it comes to its end.
KILLER = """
import os, pathlib, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
import torch, torch._dynamo
import test_gpt_train as tests
folder = pathlib.Path(sys.argv[2])
os.fsync = lambda descriptor: None  # a killed process loses nothing that it has written

def attempt(name, changes, number=0, after=None):
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            torch.set_num_threads(1)
            done = tests.result(tests.killable(folder / name, changes))
            (folder / (name + ".result")).write_bytes(done)
            os._exit(0)
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    if after is not None:
        time.sleep(after)
        os.kill(child, number)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        code = os.WEXITSTATUS(status)
        assert code == 0 or (code == 130 and number == signal.SIGINT), (name, code)
        return code == 0
    assert os.WTERMSIG(status) == number, (name, status)
    return False

random.seed(0)
stopped = {signal.SIGKILL: 0, signal.SIGINT: 0}
for n, changes in enumerate([{}, {"optimizer": "muon", "accumulate": 3}]):
    began = time.perf_counter()
    assert attempt(f"whole{n}", changes)
    seconds = time.perf_counter() - began
    expected = (folder / f"whole{n}.result").read_bytes()
    for number in stopped:
        before, runs = stopped[number], 0
        while stopped[number] < before + 3:
            name = f"run{n}-{number}-{runs}"
            while not attempt(name, changes, number, random.uniform(0.1, seconds)):
                stopped[number] += 1
            assert (folder / (name + ".result")).read_bytes() == expected, name
            assert not list((folder / name).glob("*.partial")), name
            runs += 1
print(*stopped.values())
"""


def test_killed_and_interrupted_trainings_resume_to_the_same_bits(tmp_path):
    here = os.path.dirname(__file__)
    found = subprocess.run(
        [sys.executable, "-c", KILLER, here, tmp_path],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert all(int(number) >= 6 for number in found.stdout.split())


def test_ctrl_c_before_the_first_measurement_leaves_a_model(tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    module = sys.modules["udl.gpt.train"]
    calls = []

    def loss(f, y):
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return gpt.next_token_loss(f, y)

    monkeypatch.setattr(module, "next_token_loss", loss)
    try:
        with pytest.raises(KeyboardInterrupt):
            gpt.fit(TINY, TEXT, SHORT, folder=tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (tmp_path / "best.pt").exists()
    begun = gpt.load(tmp_path)
    assert len(begun.history) == 0
    trained = gpt.fit(TINY, TEXT, SHORT, folder=tmp_path, resume=True)
    assert same(trained.model, gpt.fit(TINY, TEXT, SHORT).model)
    assert not same(trained.model, begun.model)


# What does not fit


@pytest.mark.parametrize(
    ("text", "options", "match"),
    [
        ("", {}, "expected a text, got an empty one"),
        ("a", {}, "training tokens than fit .*, got 0 with context=8"),
        ("abcdefgh", {"validation": None}, "more tokens than fit .*, got 8 with context=8"),
        ("ab" * 20, {}, "more validation tokens than .*, got 4 with context=8: take a longer"),
        ("ab" * 20, {"validation": 0.9}, "more training tokens than .*, got [34] with"),
        (TEXT, {"validation": 1.0}, "between 0 and 1, got validation=1.0"),
        (TEXT, {"validation": 0.0}, "between 0 and 1, got validation=0.0"),
        (torch.tensor([], dtype=torch.long), {}, r"tokens of shape \(N,\), got shape \(0,\)"),
        (torch.arange(100), {}, "for all 100 tokens, got config.vocabulary=65"),
        (-torch.arange(100), {}, "tokens of at least 0, got -99"),
    ],
)
def test_texts_that_do_not_fit(text, options, match):
    with pytest.raises(ValueError, match=match):
        gpt.fit(TINY, text, SHORT, **options)


def test_a_tokenizer_that_does_not_fit():
    tokenizer = gpt.Characters(TEXT)
    small = dataclasses.replace(TINY, vocabulary=6)
    with pytest.raises(ValueError, match=r"for all 7 tokens, got config.vocabulary=6"):
        gpt.fit(small, TEXT, SHORT, tokenizer=tokenizer)
    with pytest.raises(ValueError, match="'z'"):
        gpt.fit(TINY, TEXT + "z", SHORT, tokenizer=tokenizer)


def test_a_folder_is_needed_to_resume():
    with pytest.raises(ValueError, match="a folder to resume from, got folder=None"):
        gpt.fit(TINY, TEXT, SHORT, resume=True)


def test_a_loss_that_explodes_is_named(tmp_path):
    wild = recipe(alpha=1e30, clip=None, warmup=0.0, steps=40)
    with pytest.raises(train.NonFiniteLoss, match="lower learning rate"):
        gpt.fit(TINY, TEXT, wild, folder=tmp_path)


def test_fit_refuses_what_is_no_text():
    with pytest.raises(TypeError, match="a string or a tensor of tokens, got text of type list"):
        gpt.fit(TINY, [1, 2, 3], SHORT)
    for tokens in (torch.rand(100), torch.ones(100) > 0):
        with pytest.raises(TypeError, match=f"that are integers, got text.dtype={tokens.dtype}"):
            gpt.fit(TINY, tokens, SHORT)
