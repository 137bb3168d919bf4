"""The training loop, held against bare loops, against kill -9, and against bad input."""

import concurrent.futures
import errno
import io
import math
import os
import resource
import signal
import subprocess
import sys
import time
import zipfile
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from udl import train
from udl.train import _epoch, _files, _loop

CLASSES = 3


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Small sums are quicker alone, and other processes want the processor too."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def examples(I=60, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(I, 4, generator=generator)
    return x, x[:, :CLASSES].argmax(1)


def network(seed=0, dropout=0.3):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, CLASSES)
    )


def sgd(model, lr=0.1, momentum=0.9):
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)


def run(model=None, *, epochs=3, size=16, **options):
    """Train the network on the examples, in the ways that a test asks for."""
    model = network() if model is None else model
    if "optimizer" not in options:
        options["optimizer"] = sgd(model)
    options.setdefault("batches", train.Batches(*examples(), size=size, seed=1))
    batches = options.pop("batches")
    loss = options.pop("loss", cross_entropy)
    return model, train.fit(model, loss, batches, epochs=epochs, **options)


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# Batches


@given(I=st.integers(1, 40), size=st.integers(1, 50), shuffle=st.booleans())
def test_an_epoch_has_each_example_once(I, size, shuffle):
    x = torch.arange(I)
    batches = train.Batches(x, -x, size, shuffle=shuffle)
    for _ in range(2):
        parts = list(batches)
        assert len(parts) == len(batches) == math.ceil(I / size)
        assert all(len(xb) == size for xb, _ in parts[:-1])
        assert all(torch.equal(xb, -yb) for xb, yb in parts)
        seen = torch.cat([xb for xb, _ in parts])
        assert torch.equal(seen if not shuffle else seen.sort().values, x)


def test_the_order_depends_on_the_seed_and_the_epoch_alone():
    x = torch.arange(30)
    a, b = train.Batches(x, x, 7, seed=3), train.Batches(x, x, 7, seed=3)
    first = torch.cat([xb for xb, _ in a])
    torch.manual_seed(5)
    assert torch.equal(first, torch.cat([xb for xb, _ in b]))
    assert not torch.equal(first, torch.cat([xb for xb, _ in a]))
    other = train.Batches(x, x, 7, seed=4)
    assert not torch.equal(first, torch.cat([xb for xb, _ in other]))


def test_batches_go_back_to_a_state():
    x = torch.arange(30)
    batches = train.Batches(x, x, 7)
    list(batches)
    state = batches.state_dict()
    expected = [xb.tolist() for xb, _ in batches]
    again = train.Batches(x, x, 7, seed=9)
    again.load_state_dict(state)
    assert [xb.tolist() for xb, _ in again] == expected
    with pytest.raises(ValueError, match=r"batches with .*'size': 8.*, got .*'size': 7"):
        train.Batches(x, x, 8).load_state_dict(state)


def test_batches_are_a_source():
    assert isinstance(train.Batches(*examples()), train.Source)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (torch.ones(3, 2), torch.ones(2), r"x.shape=\(3, 2\), y.shape=\(2,\)"),
        (torch.ones(0, 2), torch.ones(0), r"at least one, got x.shape=\(0, 2\)"),
        (torch.tensor(1.0), torch.ones(1), r"one example a row, got x.shape=\(\)"),
    ],
)
def test_batches_refuse_shapes_that_do_not_fit(x, y, message):
    with pytest.raises(ValueError, match=message):
        train.Batches(x, y)


def test_batches_refuse_arrays():
    with pytest.raises(TypeError, match=r"a tensor, got y of type ndarray: torch.as_tensor"):
        train.Batches(torch.ones(3), np.ones(3))
    with pytest.raises(ValueError, match="at least 1, got size=0"):
        train.Batches(torch.ones(3), torch.ones(3), 0)


# The loop, against one written out


@pytest.mark.parametrize("clip", [None, 0.3])
@pytest.mark.parametrize("schedule", ["epoch", "batch"])
def test_fit_is_the_bare_loop(clip, schedule):
    x, y = examples()
    valid = examples(25, seed=7)
    mine, bare = network(), network()
    torch.manual_seed(3)
    optimizer = sgd(mine)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    history = train.fit(
        mine,
        cross_entropy,
        train.Batches(x, y, 16, seed=2),
        epochs=3,
        optimizer=optimizer,
        scheduler=scheduler,
        schedule=schedule,
        validation=valid,
        clip=clip,
        metrics={"accuracy": train.accuracy},
    )

    torch.manual_seed(3)
    optimizer = sgd(bare)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    order = torch.Generator().manual_seed(2)
    for epoch in range(3):
        bare.train()
        losses, norms, right = 0.0, [], 0
        for rows in torch.randperm(60, generator=order).split(16):
            f = bare(x[rows])
            value = cross_entropy(f, y[rows])
            optimizer.zero_grad()
            value.backward()
            square = sum(float((p.grad**2).sum()) for p in bare.parameters())
            norms.append(math.sqrt(square))
            if clip is not None:
                nn.utils.clip_grad_norm_(bare.parameters(), clip)
            rate = optimizer.param_groups[0]["lr"]
            optimizer.step()
            if schedule == "batch":
                scheduler.step()
            losses += len(rows) * value.item()
            right += int((f.argmax(1) == y[rows]).sum())
        bare.eval()
        f = bare(valid[0])
        assert history["epoch"][epoch] == epoch + 1
        assert history["train_loss"][epoch] == pytest.approx(losses / 60)
        assert history["train_accuracy"][epoch] == pytest.approx(right / 60)
        assert history["gradient_norm"][epoch] == pytest.approx(np.mean(norms), rel=1e-5)
        assert history["rate"][epoch] == rate
        assert history["validation_loss"][epoch] == pytest.approx(
            cross_entropy(f, valid[1]).item()
        )
        assert history["validation_accuracy"][epoch] == pytest.approx(
            float((f.argmax(1) == valid[1]).float().mean())
        )
        if schedule == "epoch":
            scheduler.step()
    assert same(mine, bare)
    assert not mine.training
    assert history.stopped == "epochs"


@pytest.mark.parametrize("loaded", [False, True])
def test_validation_does_not_change_the_training(loaded):
    without, _ = run(network())
    torch_state = torch.get_rng_state()
    validation = examples(20, seed=1)
    if loaded:  # a loader draws a seed for its workers, which it does not have
        validation = DataLoader(TensorDataset(*validation), 7)
    validated, _ = run(network(), validation=validation)
    assert same(without, validated)
    assert torch.equal(torch_state, torch.get_rng_state())


def test_a_plateau_scheduler_sees_the_validation_loss():
    model = network()
    optimizer = sgd(model, lr=0.05)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, patience=0, threshold=100.0, threshold_mode="abs"
    )
    _, history = run(
        model, epochs=4, optimizer=optimizer, scheduler=scheduler, validation=examples(20, 1)
    )
    assert history["rate"].tolist() == pytest.approx([0.05, 0.05, 0.005, 0.0005])
    assert scheduler.best == history["validation_loss"][0]


def test_a_source_may_sample_as_it_likes():
    class Windows:
        """Random windows of a sequence: so many steps an epoch."""

        def __init__(self):
            self.sequence = torch.randn(100, generator=torch.Generator().manual_seed(0))
            self.generator = torch.Generator().manual_seed(0)

        def __iter__(self):
            for _ in range(len(self)):
                at = torch.randint(0, 95, (8,), generator=self.generator)
                rows = self.sequence[at[:, None] + torch.arange(5)]
                yield rows[:, :4], rows[:, 4:]

        def __len__(self):
            return 6

        def state_dict(self):
            return {"generator": self.generator.get_state()}

        def load_state_dict(self, state):
            self.generator.set_state(state["generator"])

    assert isinstance(Windows(), train.Source)
    model = nn.Linear(4, 1)
    _, history = run(model, loss=mse_loss, batches=Windows(), optimizer=sgd(model, 0.01))
    assert len(history) == 3


def test_targets_and_inputs_may_be_structures():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Linear(4, 2)

        def forward(self, x):
            return {"f": self.part(x["a"]) + self.part(x["b"])}

    x, y = examples()
    batch = ({"a": x, "b": x}, [y.float(), y])
    model = Both()
    _, history = run(
        model,
        loss=lambda f, y: mse_loss(f["f"][:, 0], y[0]) + mse_loss(f["f"][:, 1], y[1].float()),
        batches=[batch],
        optimizer=sgd(model, 0.01),
        epochs=20,
    )
    assert history["train_loss"][-1] < history["train_loss"][0]


class Parts(NamedTuple):
    a: torch.Tensor
    b: torch.Tensor


def test_batches_keep_their_types():
    seen = []

    class Named(nn.Linear):
        def forward(self, x):
            seen.append(x)
            return super().forward(x["parts"].a + x["pair"][1])

    class Recurrent(nn.RNN):
        def forward(self, x):
            return super().forward(x)[1][0]

    x, y = examples()
    model = Named(4, CLASSES)
    run(model, batches=[({"parts": Parts(x, x), "pair": (x, x)}, y)])
    assert type(seen[0]["pair"]) is tuple

    class Foreign:
        def to(self, device):
            return x

    _, history = run(batches=[(Foreign(), y)])
    assert len(history) == 3
    packed = nn.utils.rnn.pack_sequence([x[:5], x[:3]])
    _, history = run(Recurrent(4, CLASSES), batches=[(packed, y[:2])])
    assert len(history) == 3


def test_a_hook_sees_each_epoch():
    seen = []
    _, history = run(after_epoch=lambda h: seen.append((len(h), h["train_loss"][-1], h.stopped)))
    assert [row[0] for row in seen] == [1, 2, 3]
    assert [row[1] for row in seen] == history["train_loss"].tolist()
    assert [row[2] for row in seen] == ["", "", "epochs"]


# Several batches in a step


@pytest.mark.parametrize(("I", "size"), [(48, 4), (54, 4)])
@pytest.mark.parametrize("clip", [None, 0.3])
def test_accumulated_batches_are_one_large_batch(I, size, clip):
    """Also where the last step of an epoch has fewer batches, and a smaller one."""

    def go(size, accumulate):
        torch.manual_seed(0)
        model = nn.Linear(4, CLASSES).double()
        x, y = examples(I)
        batches = train.Batches(x.double(), y, size, seed=1)
        optimizer = sgd(model)
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
        return run(
            model,
            batches=batches,
            optimizer=optimizer,
            scheduler=scheduler,
            schedule="batch",
            clip=clip,
            accumulate=accumulate,
            metrics={"accuracy": train.accuracy},
        )

    several, history = go(size, 4)
    one, expected = go(4 * size, 1)
    for name, value in several.state_dict().items():
        torch.testing.assert_close(value, one.state_dict()[name], rtol=1e-12, atol=1e-12)
    for name in set(expected.names) - {"seconds"}:
        np.testing.assert_allclose(history[name], expected[name], rtol=1e-12)
    with pytest.raises(ValueError, match="at least 1, got accumulate=0"):
        run(accumulate=0)


def test_the_batch_that_explodes_is_named_among_accumulated_ones():
    x, y = examples(32)
    x[9] = torch.inf
    model = network()
    before = {name: value.clone() for name, value in model.named_parameters()}
    with pytest.raises(train.NonFiniteLoss, match=r"epoch 1, batch 3\. The inputs") as e:
        run(model, batches=train.Batches(x, y, 4, shuffle=False), accumulate=8)
    assert e.value.batch == 3
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_numbers_that_wait_are_the_same_and_are_refused_later(monkeypatch):
    """What a GPU does: the processor does not wait for each number."""

    class Late(_epoch._Numbers):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            self._room = 5

    expected = run(clip=1.0)
    monkeypatch.setattr(_epoch, "_Numbers", Late)
    got = run(clip=1.0)
    assert same(got[0], expected[0])
    assert got[1] == expected[1]
    x, y = examples()
    x[17, 2] = torch.nan
    with pytest.raises(train.NonFiniteLoss, match="loss is nan in epoch 1, batch 2") as e:
        run(batches=train.Batches(x, y, 16, shuffle=False))
    assert e.value.batch == 2


# Early stopping


class Drifting(nn.Module):
    """A weight that moves by 1 each step, whatever the data."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return self.w.expand(len(x))


def drift(patience, epochs=10, best=3.0, **options):
    """Train; the validation loss is (w - best)^2, the training loss -w, so w counts the steps."""
    model = Drifting()
    x = torch.zeros(2, 1)

    def loss(output, target):
        return -output.mean() if target[0] == 0 else ((output - best) ** 2).mean()

    history = train.fit(
        model,
        loss,
        train.Batches(x, torch.zeros(2), shuffle=False),
        epochs=epochs,
        optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
        validation=(x, torch.ones(2)),
        patience=patience,
        **options,
    )
    return model, history


@pytest.mark.parametrize(
    ("patience", "epochs", "length", "stopped", "w"),
    [
        (2, 10, 5, "patience", 3.0),
        (1, 10, 4, "patience", 3.0),
        (None, 10, 10, "epochs", 10.0),
        (5, 6, 6, "epochs", 3.0),
        (5, 2, 2, "epochs", 2.0),
    ],
)
def test_patience_ends_the_training_and_gives_the_best_weights(
    patience, epochs, length, stopped, w
):
    model, history = drift(patience, epochs)
    assert (len(history), history.stopped) == (length, stopped)
    assert model.w.item() == w
    assert history.best == min(3, length) - 1


@pytest.mark.parametrize("killed_after", range(1, 5))
def test_patience_survives_a_resume(tmp_path, killed_after):
    expected, whole = drift(2)

    def die(history):
        if len(history) == killed_after + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        drift(2, checkpoint=tmp_path, after_epoch=die)
    model, history = drift(2, checkpoint=tmp_path, resume=True)
    assert history == whole
    assert same(model, expected)
    # What is over stays over, and more patience goes on from the last epoch, not the best.
    assert drift(2, checkpoint=tmp_path, resume=True)[1] == whole
    assert train.load(tmp_path / "last.pt").history == whole
    assert len(drift(4, checkpoint=tmp_path, resume=True)[1]) == 7
    assert drift(4)[1] == drift(4, checkpoint=tmp_path, resume=True)[1]


# Checkpoints


def killable(folder, epochs):
    """Train with all that has a state; what the killed process and the whole one do."""
    model = network(seed=4)
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    return run(
        model,
        epochs=epochs,
        optimizer=optimizer,
        scheduler=scheduler,
        validation=train.Batches(*examples(30, 2), size=7, seed=3),
        patience=4,
        metrics={"accuracy": train.accuracy},
        clip=1.0,
        checkpoint=folder,
        resume=True,
    )


# Starts trainings as processes of their own, and kills them: at each point of a save in turn, then
# at random moments. Forks, since to load torch takes longer than to train. The parent computes
# nothing, so that there are no threads which a fork would lose.
KILLER = """
import os, pathlib, random, signal, sys, time
sys.path.insert(0, sys.argv[1])
import test_train
import torch._dynamo  # which the first optimizer would load, in each fork again
folder = pathlib.Path(sys.argv[2])

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def at(n):
    # Die at the n-th of the moments at which a save can be cut in two.
    left = [n]
    def moment():
        left[0] -= 1
        if left[0] == 0:
            die()
    def wrapped(function):
        def inner(*args):
            moment()
            result = function(*args)
            moment()
            return result
        return inner
    # Without a wait for the disk: a killed process loses nothing that it has written.
    os.replace, os.fsync = wrapped(os.replace), wrapped(lambda descriptor: None)
    path_open = pathlib.Path.open
    def opened(path, mode="r"):
        file = path_open(path, mode)
        if "w" in mode:
            class Halves:
                def __enter__(self): return self
                def __exit__(self, *_): file.close()
                def __getattr__(self, name): return getattr(file, name)
                def write(self, content):
                    moment()
                    half = len(content) // 2
                    file.write(content[:half]); file.flush()
                    moment()
                    file.write(content[half:])
            return Halves()
        return file
    pathlib.Path.open = opened

def result(model, history):
    weights = b"".join(v.numpy().tobytes() for v in model.state_dict().values())
    rows = {n: history[n].tobytes() for n in history.names if n != "seconds"}
    return weights + repr((sorted(rows.items()), history.stopped)).encode()

def attempt(name, before=lambda: None, kill_after=None, epochs=6):
    # True if the training came to its end.
    child = os.fork()
    if child == 0:
        try:
            import torch
            torch.set_num_threads(1)
            before()
            done = result(*test_train.killable(folder / name, epochs))
            (folder / (name + ".result")).write_bytes(done)
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0, name
        return True
    assert os.WTERMSIG(status) == signal.SIGKILL
    return False

def check(name, like):
    expected, got = ((folder / (n + ".result")).read_bytes() for n in (like, name))
    assert got == expected, name
    assert not list((folder / name).glob("*.partial")), name

assert attempt("short", epochs=2)
points = 0
while not attempt(f"point{points + 1}", lambda: at(points + 1), epochs=2):
    points += 1
    assert attempt(f"point{points}", epochs=2)
    check(f"point{points}", "short")

began = time.perf_counter()
assert attempt("whole")
seconds = time.perf_counter() - began
random.seed(int(sys.argv[3]))
kills = runs = 0
while kills < 8:
    if attempt(f"run{runs}", kill_after=random.uniform(0.0, seconds)):
        check(f"run{runs}", "whole")
        runs += 1
        seconds *= 0.7
    else:
        kills += 1
assert attempt(f"run{runs}")
check(f"run{runs}", "whole")
print(points)
"""


def test_a_killed_training_resumes_to_the_same_bits(tmp_path):
    here = os.path.dirname(__file__)
    found = subprocess.run(
        [sys.executable, "-c", KILLER, here, tmp_path, "0"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    # Eight moments a file: half and whole writes, fsync, replace, fsync of the folder.
    assert int(found.stdout) >= 3 * 8


class Pressing:
    """A loss during which Ctrl-C is pressed; the gradient is the same."""

    def __init__(self, *calls):
        self.calls, self.count = calls, 0

    def __call__(self, f, y):
        self.count += 1
        if self.count in self.calls:
            os.kill(os.getpid(), signal.SIGINT)
        return cross_entropy(f, y)


@pytest.fixture
def ctrl_c(monkeypatch):
    """Python's own handler, whatever this process was started with."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interruptible(folder, loss=cross_entropy, accumulate=1, **options):
    """Train with dropout, whose generator must go on where it was; 4 batches an epoch."""
    model = network(3)
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
    options.setdefault("batches", train.Batches(*examples(), size=16, seed=1))
    return run(
        model,
        optimizer=optimizer,
        scheduler=scheduler,
        schedule="batch",
        loss=loss,
        validation=examples(20, 1),
        metrics={"accuracy": train.accuracy},
        accumulate=accumulate,
        checkpoint=folder,
        **options,
    )


# Of 3 epochs with 4 batches, each followed by one of validation: calls 1-4, 5, 6-9, 10, ...
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("call", [1, 2, 4, 5, 7, 9, 10, 12, 15])
def test_ctrl_c_saves_at_the_end_of_the_step(tmp_path, ctrl_c, call, accumulate):
    expected, whole = interruptible(None, accumulate=accumulate)
    with pytest.raises(KeyboardInterrupt):
        interruptible(tmp_path, Pressing(call), accumulate)
    saved = train.load(tmp_path / "last.pt")
    assert saved.epoch == len(saved.history) == call // 5
    assert (saved.partial is None) == (call % 5 == 0)
    assert (tmp_path / "best.pt").is_file() == (call >= 5)
    torch.manual_seed(99)
    counted = Pressing()
    model, history = interruptible(tmp_path, counted, accumulate, resume=True)
    assert same(model, expected)
    assert history == whole
    steps = -(-(call % 5) // accumulate) * accumulate
    assert counted.count == 15 - call // 5 * 5 - min(steps, 4)


def test_the_bar_and_the_clock_go_on_after_ctrl_c(tmp_path, ctrl_c, capsys):
    class Slow(Pressing):
        def __call__(self, f, y):
            time.sleep(0.05)
            return super().__call__(f, y)

    with pytest.raises(KeyboardInterrupt):
        interruptible(tmp_path, Slow(9), epochs=3)
    capsys.readouterr()
    _, history = interruptible(tmp_path, epochs=3, resume=True, progress=True)
    assert (history["seconds"][:2] > 0.2).all()  # the second was paused at its end
    assert history["seconds"][2] < 0.2
    shown = capsys.readouterr().err
    assert "4/12" in shown
    assert "12/12" in shown


@pytest.mark.parametrize("source", ["batches", "loader", "list"])
def test_ctrl_c_again_and_again(tmp_path, ctrl_c, source):
    def batches():
        if source == "list":
            return [examples(20, seed) for seed in range(4)]
        return loader() if source == "loader" else train.Batches(*examples(), size=16, seed=1)

    expected, whole = interruptible(None, batches=batches())
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            interruptible(tmp_path, Pressing(2), batches=batches(), resume=True)
    model, history = interruptible(tmp_path, batches=batches(), resume=True)
    assert same(model, expected)
    assert history == whole


def test_the_second_ctrl_c_does_not_wait(tmp_path, ctrl_c):
    expected, whole = interruptible(None)

    class Twice(Pressing):
        def __call__(self, f, y):
            super().__call__(f, y)
            return super().__call__(f, y)

    loss = Twice(13, 14)  # in the second epoch
    with pytest.raises(KeyboardInterrupt):
        interruptible(tmp_path, loss)
    assert loss.count == 14
    saved = train.load(tmp_path / "last.pt")
    assert (saved.epoch, saved.partial) == (1, None)
    model, history = interruptible(tmp_path, resume=True)
    assert same(model, expected)
    assert history == whole


def test_ctrl_c_is_pythons_own_without_a_folder_or_where_another_is_in_charge(tmp_path, ctrl_c):
    with pytest.raises(KeyboardInterrupt):
        interruptible(None, Pressing(2))
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    _, history = interruptible(tmp_path, Pressing(2))
    assert (len(history), seen) == (3, [1])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        done = threads.submit(interruptible, tmp_path / "thread")
        assert len(done.result()[1]) == 3


def test_a_checkpoint_from_before_there_were_interrupted_ones(tmp_path):
    expected, whole = interruptible(None)
    with pytest.raises(KeyboardInterrupt):
        interruptible(tmp_path, after_epoch=lambda h: len(h) == 2 and interrupt(0, 0))
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    del state["partial"]
    torch.save(state, tmp_path / "last.pt")
    model, history = interruptible(tmp_path, resume=True)
    assert same(model, expected)
    assert history == whole


def test_interrupted_and_resumed_with_every_kind_of_state(tmp_path):
    """Adam, a scheduler of schedulers and a list of batches; cut at an epoch's end."""

    def go(epochs, folder=None, resume=False):
        model = network(seed=2)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, amsgrad=True)
        warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
        decay = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 0.9**t)
        scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, decay], [3])
        return run(
            model,
            epochs=epochs,
            optimizer=optimizer,
            scheduler=scheduler,
            schedule="batch",
            batches=[examples(20, seed) for seed in range(2)],
            checkpoint=folder,
            resume=resume,
        )

    expected, whole = go(5)
    go(2, tmp_path)
    torch.manual_seed(99)
    model, history = go(5, tmp_path, resume=True)
    assert same(model, expected)
    assert history == whole


def test_checkpoints_hold_the_last_and_the_best_epoch(tmp_path):
    _, history = drift(None, 6, checkpoint=tmp_path / "deep" / "er")
    folder = tmp_path / "deep" / "er"
    assert sorted(p.name for p in folder.iterdir()) == ["best.pt", "last.pt"]
    best, last = train.load(folder / "best.pt"), train.load(folder / "last.pt")
    assert (best.epoch, last.epoch) == (3, 6)
    assert last.history == history
    assert best.model["w"].item() == 3.0
    model = Drifting()
    assert train.restore(model, folder).epoch == 3
    assert model.w.item() == 3.0
    train.restore(model, folder, "last")
    assert model.w.item() == 6.0
    raw = torch.load(folder / "last.pt", weights_only=True)
    assert {"model", "optimizer", "scheduler", "batches", "random", "history"} <= raw.keys()


def test_without_validation_the_best_is_that_of_the_training_loss(tmp_path):
    _, history = run(checkpoint=tmp_path)
    assert history.best == int(np.argmin(history["train_loss"]))
    assert train.load(tmp_path / "best.pt").epoch == history.best + 1


def test_restore_refuses_other_names(tmp_path):
    with pytest.raises(ValueError, match="'best' or 'last', got which='worst'"):
        train.restore(nn.Linear(1, 1), tmp_path, "worst")


def test_the_best_checkpoint_can_take_the_place_of_the_last(tmp_path):
    expected, whole = drift(2, checkpoint=tmp_path)
    (tmp_path / "last.pt").write_bytes(b"damaged")
    with pytest.raises(train.CheckpointError, match=r"last.pt is damaged.*best.pt can take its"):
        drift(2, checkpoint=tmp_path, resume=True)
    (tmp_path / "best.pt").replace(tmp_path / "last.pt")
    model, history = drift(2, checkpoint=tmp_path, resume=True)
    assert same(model, expected)
    assert history == whole


def test_a_training_that_is_over_can_be_read_from_a_folder_that_can_not_be_written(
    tmp_path, monkeypatch
):
    expected, whole = run(checkpoint=tmp_path, patience=3, validation=examples(20, 1))
    full_disk(monkeypatch, 0)
    monkeypatch.setattr(os, "access", lambda *_: False)
    options = {"patience": 3, "validation": examples(20, 1), "checkpoint": tmp_path}
    model, history = run(resume=True, **options)
    assert same(model, expected)
    assert history == whole
    began = []
    with pytest.raises(train.CheckpointError, match=r"could not write to .*: Permission denied"):
        run(epochs=5, resume=True, after_epoch=began.append, **options)
    assert not began


def test_two_trainings_in_one_folder_are_noticed(tmp_path):
    def other(history):
        if len(history) == 2:
            run(network(7), epochs=4, checkpoint=tmp_path)

    with pytest.raises(train.CheckpointError, match=r"training alone, got a last.pt of ano"):
        run(checkpoint=tmp_path, after_epoch=other)
    assert train.load(tmp_path / "last.pt").epoch == 4
    run(epochs=5, checkpoint=tmp_path, resume=True)


def test_what_a_killed_write_left_is_removed(tmp_path):
    (tmp_path / "last.pt.0123.partial").write_bytes(b"half")
    run(epochs=1, checkpoint=tmp_path)
    assert sorted(states(tmp_path)) == ["best.pt", "last.pt"]


def test_numbers_of_numpy_are_numbers(tmp_path):
    def go(number, epochs, folder=None, resume=False):
        model = network()
        optimizer = sgd(model, lr=number(0.1))
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=number(0.7))
        batches = train.Batches(*examples(), size=np.int64(16), seed=np.int64(2))
        return run(
            model,
            epochs=epochs,
            optimizer=optimizer,
            scheduler=scheduler,
            batches=batches,
            checkpoint=folder,
            resume=resume,
        )

    expected, whole = go(float, 3)
    go(np.float64, 2, tmp_path)
    model, history = go(np.float64, 3, tmp_path, resume=True)
    assert same(model, expected)
    assert history == whole


def test_resume_begins_where_there_is_nothing(tmp_path):
    _, history = run(checkpoint=tmp_path / "new", resume=True)
    assert len(history) == 3
    with pytest.raises(ValueError, match="a folder to resume from, got checkpoint=None"):
        run(resume=True)


def test_a_second_training_writes_over_the_first(tmp_path):
    run(network(1), epochs=5, checkpoint=tmp_path)
    _, history = run(network(2), epochs=2, checkpoint=tmp_path)
    assert train.load(tmp_path / "last.pt").history == history
    assert train.load(tmp_path / "best.pt").epoch == history.best + 1


def states(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def full_disk(monkeypatch, when):
    """Let the disk be full from the n-th write on."""
    original = os.fsync
    left = [when]

    def fsync(descriptor):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(descriptor)

    monkeypatch.setattr(_files.os, "fsync", fsync)


@pytest.mark.parametrize("when", range(5))
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch, when):
    run(epochs=2, checkpoint=tmp_path)
    before = states(tmp_path)
    with monkeypatch.context() as patch:
        full_disk(patch, when)
        with pytest.raises(
            train.CheckpointError, match=r"could not write .*No space left on device; .*intact"
        ):
            run(epochs=4, checkpoint=tmp_path, resume=True)
    assert states(tmp_path).keys() == before.keys()
    if when == 0:
        assert states(tmp_path) == before
    resumed, history = run(epochs=4, checkpoint=tmp_path, resume=True)
    whole, expected = run(epochs=4)
    assert same(resumed, whole)
    assert history == expected


def test_a_write_cut_by_the_system(tmp_path):
    """Not a mock: the system itself refuses to let a file grow."""
    run(epochs=1, checkpoint=tmp_path)
    before = states(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(train.CheckpointError, match="File too large; the one before"):
            run(epochs=2, checkpoint=tmp_path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert states(tmp_path) == before


def test_a_file_in_the_folders_place(tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(train.CheckpointError, match=r"could not write .*taken"):
        run(checkpoint=tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"


def test_every_flipped_byte_is_found_or_harmless(tmp_path):
    run(epochs=1, checkpoint=tmp_path)
    path = tmp_path / "last.pt"
    content = path.read_bytes()
    expected = train.load(path)
    rng = np.random.default_rng(0)
    found = 0
    for at in [*range(0, len(content), 211), *rng.integers(len(content), size=100)]:
        damaged = bytearray(content)
        damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            got = train.load(path)
        except train.CheckpointError as error:
            found += "last.pt" in str(error)
        else:  # padding, names that nobody reads
            assert got.history == expected.history
            assert all(torch.equal(got.model[n], v) for n, v in expected.model.items())
            assert all(torch.equal(got.random[n], v) for n, v in expected.random.items())
    assert found > 100


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_file_is_found(tmp_path, share):
    run(epochs=1, checkpoint=tmp_path)
    path = tmp_path / "last.pt"
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    model = network(9)
    untouched = network(9)
    with pytest.raises(train.CheckpointError, match=r"last.pt is damaged, or no checkpoint"):
        run(model, checkpoint=tmp_path, resume=True)
    assert same(model, untouched)


class Malice:
    def __reduce__(self):
        """Have the reader make a folder."""
        return (os.mkdir, ("hacked",))


def test_files_of_others_run_no_code(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"format": "udl.train 1", "model": Malice()}, "last.pt")
    with pytest.raises(train.CheckpointError, match="damaged, or no checkpoint"):
        train.load("last.pt")
    assert not os.path.exists("hacked")
    torch.save(network().state_dict(), "other.pt")
    with pytest.raises(train.CheckpointError, match=r"of format 'udl.train 1', got another"):
        train.load("other.pt")
    with zipfile.ZipFile("zip.pt", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(train.CheckpointError, match="damaged, or no checkpoint"):
        train.load("zip.pt")


def test_checkpoints_of_other_parts_are_named(tmp_path):
    run(epochs=1, checkpoint=tmp_path)

    def refused(match, model=None, **options):
        model = network(5) if model is None else model
        before = {name: value.clone() for name, value in model.state_dict().items()}
        with pytest.raises(train.CheckpointError, match=match):
            run(model, checkpoint=tmp_path, resume=True, **options)
        assert all(torch.equal(value, before[n]) for n, value in model.state_dict().items())

    wide = nn.Sequential(nn.Linear(4, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, CLASSES))
    refused(r"another model: expected 0.weight = \(9, 4\) torch.float32, got \(8, 4\)", wide)
    refused("another model: .* torch.float64, got .* torch.float32", network().double())
    deep = nn.Sequential(network(), nn.ReLU())
    refused(r"another model: expected 0.0.weight = \(8, 4\) .*, got nothing", deep)
    model = network(5)
    adam = torch.optim.Adam(model.parameters())
    refused("another optimizer: expected class = Adam, got SGD", model, optimizer=adam)
    some = torch.optim.SGD(model[0].parameters(), lr=0.1)
    refused("optimizer: expected group 0 = 2 tensors, got 6 tensors", model, optimizer=some)
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    refused(
        "another scheduler: expected class = ExponentialLR, got NoneType",
        model,
        optimizer=optimizer,
        scheduler=scheduler,
    )
    swapped = torch.optim.SGD([*model.parameters()][::-1], lr=0.1)
    refused("group 0, tensor 0 = 4.bias, got 0.weight", model, optimizer=swapped)
    refused("another validation: expected given = True", validation=examples(5, 1))
    refused(
        "another history: expected metrics = accuracy, got none",
        metrics={"accuracy": train.accuracy},
    )
    refused("of other batches: .*'size': 8.*'size': 16", size=8)
    with pytest.raises(train.CheckpointError, match="another model"):
        train.restore(nn.Linear(1, 1), tmp_path)


def test_a_state_that_could_not_be_read_again_is_not_written(tmp_path):
    class Odd(train.Batches):
        def state_dict(self):
            return {"path": tmp_path}

    with pytest.raises(train.CheckpointError, match=r"states of tensors, numbers.*PosixPath"):
        run(batches=Odd(*examples()), checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_best_checkpoint_of_another_training_is_found(tmp_path):
    drift(2, 2, checkpoint=tmp_path)
    old = (tmp_path / "best.pt").read_bytes()
    drift(3, 5, checkpoint=tmp_path, resume=True)
    (tmp_path / "best.pt").write_bytes(old)
    with pytest.raises(train.CheckpointError, match=r"expected epoch 3 in .*best.pt, got 2"):
        drift(3, 6, checkpoint=tmp_path, resume=True)


def test_a_best_checkpoint_of_another_training_with_the_same_epoch(tmp_path):
    drift(2, 4, checkpoint=tmp_path / "a")
    drift(2, 4, best=2.9, checkpoint=tmp_path / "b")
    (tmp_path / "b" / "best.pt").replace(tmp_path / "a" / "best.pt")
    with pytest.raises(train.CheckpointError, match="of two trainings: their losses differ"):
        drift(2, 6, checkpoint=tmp_path / "a", resume=True)


@pytest.mark.parametrize(("change", "match"), [("less", "'random'"), ("more", "'surprise'")])
def test_a_checkpoint_with_other_fields(tmp_path, change, match):
    run(epochs=1, checkpoint=tmp_path)
    state = torch.load(tmp_path / "last.pt", weights_only=True)
    if change == "less":
        del state["random"]
    else:
        state["surprise"] = 1
    torch.save(state, tmp_path / "last.pt")
    with pytest.raises(train.CheckpointError, match=f"no checkpoint of this version: .*{match}"):
        train.load(tmp_path / "last.pt")


# A DataLoader


def loader(**options):
    options.setdefault("shuffle", True)
    return DataLoader(TensorDataset(*examples()), batch_size=16, **options)


@pytest.mark.parametrize("own", [False, True])
def test_a_loader_resumes_like_batches(tmp_path, own):
    def batches():
        return loader(generator=torch.Generator().manual_seed(8)) if own else loader()

    whole, expected = run(network(1), epochs=4, batches=batches())
    run(network(1), epochs=2, batches=batches(), checkpoint=tmp_path)
    torch.manual_seed(77)
    again = network(1)
    resumed, history = run(again, epochs=4, batches=batches(), checkpoint=tmp_path, resume=True)
    assert same(resumed, whole)
    assert history == expected
    other = loader(generator=None if own else torch.Generator())
    with pytest.raises(train.CheckpointError, match="batches with a generator as when"):
        run(epochs=5, batches=other, checkpoint=tmp_path, resume=True)


def test_a_loader_with_a_sampler_of_its_own_warns_on_resume(tmp_path):
    def batches():
        return loader(shuffle=False, sampler=list(range(60)))

    run(epochs=1, batches=batches(), checkpoint=tmp_path)
    with pytest.warns(UserWarning, match=r"batches \(DataLoader\) has no state .* may differ"):
        run(epochs=2, batches=batches(), checkpoint=tmp_path, resume=True)


class _Halves:
    """Two batches in an order that nobody can know."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __iter__(self):
        return iter(self.rng.permutation(60).reshape(2, 30).tolist())

    def __len__(self):
        return 2


@pytest.mark.parametrize("hidden", ["sampler", "batch_sampler"])
def test_an_order_that_is_not_the_loaders_own_warns_on_resume(tmp_path, hidden):
    def batches():
        if hidden == "batch_sampler":
            return DataLoader(TensorDataset(*examples()), batch_sampler=_Halves())
        own = torch.Generator().manual_seed(1)
        return loader(shuffle=False, sampler=RandomSampler(range(60), generator=own))

    run(epochs=1, batches=batches(), checkpoint=tmp_path)
    with pytest.warns(UserWarning, match=r"batches \(DataLoader\) has no state .* may differ"):
        run(epochs=2, batches=batches(), checkpoint=tmp_path, resume=True)


def test_workers_warn_but_the_order_is_restored(tmp_path):
    def batches():
        generator = torch.Generator().manual_seed(8)
        return loader(generator=generator, num_workers=1, multiprocessing_context="fork")

    whole, expected = run(network(1), epochs=3, batches=batches())
    run(network(1), epochs=2, batches=batches(), checkpoint=tmp_path)
    with pytest.warns(UserWarning, match="may differ"):
        resumed, history = run(
            network(1), epochs=3, batches=batches(), checkpoint=tmp_path, resume=True
        )
    assert same(resumed, whole)
    assert history == expected


# Numbers that are not finite


def test_a_loss_that_explodes_is_named_and_the_checkpoint_stays(tmp_path):
    x, y = examples()
    model = nn.Linear(4, 1)
    kept = {}

    def keep(history):
        kept.update({name: value.clone() for name, value in model.state_dict().items()})

    with pytest.raises(train.NonFiniteLoss, match=r"in epoch \d+, batch \d.*lower learning") as e:
        run(
            model,
            epochs=1000,
            loss=mse_loss,
            batches=train.Batches(x, y[:, None].float(), 20),
            optimizer=sgd(model, lr=50.0, momentum=0.0),
            checkpoint=tmp_path,
            after_epoch=keep,
        )
    last = train.load(tmp_path / "last.pt")
    assert last.epoch == e.value.epoch - 1
    assert last.model.keys() == kept.keys()
    assert all(torch.equal(last.model[name], value) for name, value in kept.items())
    assert 1 <= e.value.batch <= 3
    assert not math.isfinite(e.value.value)
    # The parameters are those before the step that would have spoiled them.
    assert all(torch.isfinite(p).all() for p in model.parameters())


def test_inputs_that_are_not_finite_are_blamed():
    x, y = examples()
    x[17, 2] = torch.nan
    with pytest.raises(train.NonFiniteLoss, match="inputs of this batch are not finite: mend"):
        run(batches=train.Batches(x, y, 60))


def test_a_gradient_that_is_not_finite_is_found_before_the_step():
    model = nn.Linear(4, 1)
    with torch.no_grad():
        model.weight.zero_()
        model.bias.zero_()
    with pytest.raises(train.NonFiniteLoss, match=r"norm of the gradient is .* epoch 1, batch 1"):
        run(model, loss=lambda f, y: f.abs().sqrt().mean())
    assert model.weight.abs().sum() == 0


def test_a_validation_loss_that_is_not_finite():
    x, y = examples(10)
    with pytest.raises(train.NonFiniteLoss, match="validation loss is nan in epoch 1") as e:
        run(validation=(x * torch.nan, y))
    assert e.value.batch is None


# What does not fit


@pytest.mark.parametrize(
    ("batches", "match"),
    [
        (lambda x, y: train.Batches(x[:, :3], y), r"x \(60, 3\) torch.float32, y \(60,\)"),
        (lambda x, y: train.Batches(x.double(), y), r"x \(60, 4\) torch.float64.*torch.float32:"),
        (lambda x, y: train.Batches(x, y.int()), r"y \(60,\) torch.int32"),
        (lambda x, y: train.Batches(x, y + 9), r"do not take .*Target \d+ is out of bounds"),
        (lambda x, y: train.Batches(x, y[:, None]), r"y \(60, 1\) torch.int64"),
        (lambda x, y: [], "expected at least one batch, got none from batches"),
        (lambda x, y: [x], r"that are pairs \(x, y\), got \(60, 4\) torch.float32"),
        (lambda x, y: [(x, y, y)], r"that are pairs \(x, y\), got tuple"),
    ],
)
def test_batches_that_do_not_fit(batches, match):
    x, y = examples()
    with pytest.raises(ValueError, match=match):
        run(batches=batches(x, y) if not isinstance(batches, train.Batches) else batches)


def test_validation_that_does_not_fit():
    x, y = examples()
    with pytest.raises(ValueError, match=r"do not take this batch: x \(60, 3\)"):
        run(validation=(x[:, :3], y))
    model = nn.Linear(4, 1)
    with pytest.raises(ValueError, match=r"y \(60,\) torch.float32, .*Using a target size"):
        run(
            model,
            loss=mse_loss,
            batches=train.Batches(x, x[:, :1]),
            optimizer=sgd(model),
            validation=(x, x[:, 0]),
        )


@pytest.mark.parametrize(
    ("y", "match"),
    [
        (None, "a row for each example, got y NoneType"),
        (torch.tensor(1), r"a row for each example, got y \(\) torch.int64"),
        (torch.ones(0, dtype=torch.long), r"a row for each example, got y \(0,\)"),
        (([],), "a row for each example, got y list"),
    ],
)
def test_targets_without_rows(y, match):
    model = network()
    with pytest.raises(ValueError, match=match):
        run(model, batches=[(torch.ones(5, 4), y)])
    assert same(model, network())


def test_an_exception_of_the_callers_own_is_not_wrapped():
    class Mine(RuntimeError):
        pass

    def loss(f, y):
        raise Mine("stop")

    with pytest.raises(Mine):
        run(loss=loss)


def test_targets_are_not_broadcast():
    x, _ = examples()
    model = nn.Linear(4, 1)
    with pytest.raises(ValueError, match=r"x \(60, 4\).*y \(60,\).*Using a target size"):
        run(model, loss=mse_loss, batches=train.Batches(x, x[:, 0], 60))


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (lambda f, y: cross_entropy(f, y, reduction="none"), r"of one number, got \(16,\)"),
        (lambda f, y: cross_entropy(f, y).item(), "of one number, got float"),
        (lambda f, y: cross_entropy(f.detach(), y), "depends on the parameters"),
    ],
)
def test_losses_that_do_not_fit(loss, match):
    with pytest.raises(ValueError, match=match):
        run(loss=loss)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epochs": 0}, "at least 1, got epochs=0"),
        ({"patience": 3}, "validation examples with patience, got validation=None"),
        ({"patience": 0, "validation": examples(5)}, "at least 1, got patience=0"),
        ({"clip": 0.0}, "a positive number, got clip=0.0"),
        ({"schedule": "step"}, "'epoch' or 'batch', got schedule='step'"),
        ({"precision": "float8"}, r"one of \[.*'auto'\], got precision='float8'"),
        ({"precision": "float16"}, "a CUDA device for precision='float16', got one on 'cpu'"),
    ],
)
def test_fit_refuses_arguments_out_of_range(options, match):
    with pytest.raises(ValueError, match=match):
        run(**options)


def test_an_optimizer_of_another_model():
    with pytest.raises(ValueError, match="of the model's parameters, got one of others"):
        run(network(), optimizer=sgd(network()))


def test_optimizers_schedulers_and_metrics_that_would_do_something_else():
    model = network()
    with pytest.raises(ValueError, match="one gradient a step, got LBFGS"):
        run(model, optimizer=torch.optim.LBFGS(model.parameters()))
    other = torch.optim.lr_scheduler.StepLR(sgd(network()), 1)
    with pytest.raises(ValueError, match="a scheduler of this optimizer, got one of another"):
        run(model, scheduler=other)
    optimizer = sgd(model)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    with pytest.raises(ValueError, match="'epoch' with ReduceLROnPlateau, got 'batch'"):
        run(model, optimizer=optimizer, scheduler=plateau, schedule="batch")
    metrics = {"loss": train.accuracy}
    with pytest.raises(ValueError, match="metrics of other names than 'loss'"):
        run(model, metrics=metrics)
    with pytest.raises(ValueError, match="metrics of other names than 'loss'"):
        train.evaluate(model, cross_entropy, examples(), metrics)
    assert same(model, network())


def test_fit_refuses_what_is_no_optimizer_or_model():
    with pytest.raises(TypeError, match="expected a torch Optimizer, got list"):
        run(optimizer=list(network().parameters()))
    with pytest.raises(TypeError, match="expected a torch Module, got function"):
        run(cross_entropy, optimizer=sgd(network()), batches=[examples()])


def test_fit_refuses_what_can_be_read_once():
    x, y = examples()
    with pytest.raises(TypeError, match="once an epoch, got an iterator"):
        run(batches=iter([(x, y)]))
    with pytest.raises(TypeError, match=r"such as Batches.*, got batches of type tuple"):
        run(batches=(x, y))
    with pytest.raises(TypeError, match="got validation of type Tensor"):
        run(validation=x)


def test_a_source_that_runs_dry():
    class Dry:
        def __init__(self):
            self.left = 2

        def __iter__(self):
            self.left -= 1
            return iter([examples()] if self.left else [])

    with pytest.raises(ValueError, match="at least one batch, got none from batches"):
        run(batches=Dry())


# Precision


def test_bfloat16_on_a_cpu():
    seen = []

    def loss(f, y):
        seen.append(f.dtype)
        return cross_entropy(f, y)

    model, history = run(epochs=20, precision="bfloat16", loss=loss, validation=examples(20, 1))
    assert set(seen) == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert history["train_loss"][-1] < 0.7 * history["train_loss"][0]


def test_auto_is_float32_on_a_cpu():
    assert same(run(network(), precision="auto")[0], run(network())[0])


def test_a_scaler_skips_gradients_that_are_too_large(tmp_path, monkeypatch):
    """What float16 does on a GPU, with torch's scaler for the CPU."""

    def scaler(*_):
        return torch.amp.GradScaler("cpu", init_scale=2.0**127, growth_interval=2)

    def go(epochs, **options):
        model = network(1)
        loss = lambda f, y: 8 * cross_entropy(f, y)  # noqa: E731
        return run(model, epochs=epochs, loss=loss, optimizer=sgd(model, 0.01), **options)

    expected, _ = go(30)
    with monkeypatch.context() as patch:
        patch.setattr(_loop, "scaler", scaler)
        model, whole = go(30, checkpoint=tmp_path)
        assert not same(model, expected)
        assert whole["train_loss"][-1] < whole["train_loss"][0]
        assert train.load(tmp_path / "last.pt").scaler["scale"] < 2.0**127
        go(4, checkpoint=tmp_path)
        resumed, history = go(30, checkpoint=tmp_path, resume=True)
        assert same(resumed, model)
        assert history == whole
    with pytest.raises(train.CheckpointError, match="another precision: expected scaler = False"):
        run(network(1), epochs=31, checkpoint=tmp_path, resume=True)


def interrupt(f, y):
    raise KeyboardInterrupt


def test_the_model_moves_to_the_device():
    _, history = run(device="cpu")
    assert len(history) == 3
    model = network()
    with pytest.raises(RuntimeError, match="meta"):  # as far as one gets without a GPU
        run(model, device="meta")


def test_the_state_of_the_optimizer_moves_with_the_model():
    """As far as it can be seen without a GPU: a move to another type is one, too."""
    model = network()
    optimizer = sgd(model)
    x, y = examples()
    run(model, optimizer=optimizer)
    before = [optimizer.state[p]["momentum_buffer"].double() for p in model.parameters()]
    model.double()
    with pytest.raises(KeyboardInterrupt):
        run(
            model,
            optimizer=optimizer,
            batches=train.Batches(x.double(), y),
            device="cpu",
            loss=interrupt,
        )
    after = [optimizer.state[p]["momentum_buffer"] for p in model.parameters()]
    assert all(
        b.dtype == torch.float64 and torch.equal(a, b) for a, b in zip(before, after, strict=True)
    )


# Measures


def test_accuracy():
    scores = torch.tensor([[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [1.0, 0.0, 5.0], [1.0, 0.0, 0.5]])
    assert train.accuracy(scores, torch.tensor([0, 1, 2, 2])) == 0.75
    logits = torch.tensor([-1.0, 2.0, 3.0, -4.0])
    assert train.accuracy(logits, torch.tensor([0, 1, 0, 0])) == 0.75
    assert train.accuracy(logits[:, None], torch.tensor([[0.0], [1.0], [1.0], [0.0]])) == 1.0
    maps = torch.zeros(2, 3, 5)
    maps[:, 1] = 1.0
    assert train.accuracy(maps, torch.ones(2, 5, dtype=torch.long)) == 1.0


@pytest.mark.parametrize(
    ("f", "y"), [((4, 1), (4,)), ((4,), (3,)), ((4, 3), (5,)), ((0, 3), (0,))]
)
def test_accuracy_refuses_shapes_that_do_not_fit(f, y):
    with pytest.raises(ValueError, match=r"scores of shape \(I, C\) and classes of shape"):
        train.accuracy(torch.zeros(f), torch.zeros(y))


def test_evaluate_is_the_mean_over_examples_and_changes_nothing():
    x, y = examples(50)
    model = network()
    model[1].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    got = train.evaluate(model, cross_entropy, train.Batches(x, y, 7), {"hits": train.accuracy})
    assert [m.training for m in model] == [True, False, True, True, True]
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    f = model(x)
    assert got["loss"] == pytest.approx(cross_entropy(f, y).item())
    assert got["hits"] == pytest.approx(float((f.argmax(1) == y).float().mean()))
    assert train.evaluate(model, cross_entropy, (x, y))["loss"] == pytest.approx(got["loss"])
    with pytest.raises(ValueError, match="at least one batch"):
        train.evaluate(model, cross_entropy, [])


def test_outputs():
    x, _ = examples(50)
    model = network()
    f = train.outputs(model, x, size=7)
    assert not f.requires_grad
    assert model.training
    model.eval()
    torch.testing.assert_close(f, model(x).detach())
    assert train.outputs(model, x[:0]).shape == (0, CLASSES)


# History


def rows(n=3):
    losses = [0.9, 0.4, 0.6, 0.5][:n]
    return {
        "epoch": list(range(1, n + 1)),
        "train_loss": [0.8 - 0.1 * i for i in range(n)],
        "validation_loss": losses,
        "seconds": [0.1] * n,
    }


def test_history_is_a_table():
    history = train.History(rows(), "epochs")
    assert len(history) == 3
    assert history.best == 1
    assert history["epoch"].tolist() == [1, 2, 3]
    assert "rate" not in history
    assert "train_loss" in history
    frame = history.to_frame()
    assert frame.index.tolist() == [1, 2, 3]
    assert frame.loc[2, "validation_loss"] == 0.4
    assert repr(history) == (
        "History(3 epochs, best 2, last: train_loss=0.6, validation_loss=0.6)"
    )
    assert repr(train.History()) == "History(no epochs)"
    with pytest.raises(KeyError, match=r"no column 'loss'; columns: epoch, train_loss"):
        history["loss"]
    with pytest.raises(ValueError, match=r"expected the columns .*, got"):
        history.append({"epoch": 4})
    with pytest.raises(ValueError, match="at least one epoch, got none"):
        train.History().best  # noqa: B018


def test_histories_are_equal_but_for_the_seconds():
    history = train.History(rows())
    slower = train.History({**rows(), "seconds": [9.0] * 3})
    assert history == slower
    assert history != train.History(rows(2))
    assert history != train.History(rows(), "epochs")
    assert history != train.History({**rows(), "train_loss": [0.0] * 3})
    assert history != rows()
    slower.append({"epoch": 4, "train_loss": 0.1, "validation_loss": 0.1, "seconds": 0.0})
    assert history != slower


def test_a_history_plots_itself():
    ax = train.History(rows()).plot()
    assert [line.get_label() for line in ax.lines] == ["training", "validation", "best epoch"]
    assert ax.lines[1].get_ydata().tolist() == rows()["validation_loss"]
    assert ax.lines[2].get_xdata()[0] == 2
    assert train.History({"epoch": [1], "train_loss": [0.1]}).plot(ax) is ax


# The bar


def test_the_bar_shows_on_a_terminal_only(capsys, monkeypatch):
    run()
    assert capsys.readouterr() == ("", "")
    run(progress=True)
    assert "12/12" in capsys.readouterr().err
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    run()
    assert "12/12" in terminal.getvalue()
    assert "loss=" in terminal.getvalue()


def test_the_bar_goes_on_where_the_training_does(tmp_path, capsys):
    run(epochs=2, checkpoint=tmp_path)
    run(epochs=3, checkpoint=tmp_path, resume=True, progress=True)
    shown = capsys.readouterr().err
    assert "8/12" in shown
    assert "12/12" in shown


def test_no_memory_is_no_batch_that_does_not_fit():
    def greedy(f, y):
        return torch.empty(2**50).sum()

    with pytest.raises(RuntimeError, match="DefaultCPUAllocator"):
        run(loss=greedy)
