"""Test udl.gpt.parallel: two processes under torchrun against one that trains alone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch.distributed.checkpoint import FileSystemReader
from torch.distributed.checkpoint.metadata import ChunkStorageMetadata, TensorStorageMetadata

from udl.gpt import Config, parallel
from udl.gpt.recipe import Recipe
from udl.gpt.train import fit, load
from udl.train import CheckpointError, NonFiniteLoss

TOKENS = torch.randint(11, (500,), generator=torch.Generator().manual_seed(0))
CONFIG = Config(11, 8, 2, 2, 16)
RECIPE = Recipe(steps=12, batch=8, alpha=1e-2, evaluate_every=4)

# What torchrun runs in each process. A victim dies within step 7, the third after a checkpoint.
WORKER = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
import torch
from udl.gpt import Config, parallel
from udl.gpt.recipe import Recipe

torch.set_num_threads(1)
folder, names = Path(sys.argv[1]), sys.argv[2:]
tokens = torch.randint(11, (500,), generator=torch.Generator().manual_seed(0))
config = Config(11, 8, 2, 2, 16)
recipe = Recipe(steps=12, batch=8, alpha=1e-2, evaluate_every=4)
calls, inner = [], parallel.next_token_loss

def deadly(*arguments):
    calls.append(name)
    first_life = os.environ["TORCHELASTIC_RESTART_COUNT"] == "0"
    if calls.count("victim") == 7 and os.environ["RANK"] == "1" and first_life:
        os.kill(os.getpid(), signal.SIGKILL)
    return inner(*arguments)

parallel.next_token_loss = deadly
with parallel.processes() as device:
    for name in names:
        how = replace(recipe, optimizer="muon" if name == "muon" else "adamw")
        shard = name in ("sharded", "victim")
        losses = parallel.train(config, tokens, how, folder / name, device, shard=shard)
        if os.environ["RANK"] == "0":
            torch.save(losses, folder / f"{name}.pt")
"""


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}


class Run(NamedTuple):
    """What torchrun left and said."""

    folder: Path
    out: str
    errors: str


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train in two processes: replicated, sharded, with Muon, and sharded with a killed process.

    They start again once, and then find that the first three trainings are done.
    """
    folder = tmp_path_factory.mktemp("two")
    torn = folder / "victim" / "step-00000099"  # as if killed while it was written
    torn.mkdir(parents=True)
    (torn / "__0_0.distcp").write_bytes(b"half")
    (folder / "worker.py").write_text(WORKER, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]  # at any free port
    command += ["--nproc-per-node", "2", "--max-restarts", "1"]
    names = ["replicated", "sharded", "muon", "victim"]
    done = subprocess.run(
        [*command, str(folder / "worker.py"), str(folder), *names],
        env={**os.environ, **ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Run(folder, done.stdout, done.stderr)


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        return parallel.load(folder)[0](TOKENS[:64].view(8, 8))


@pytest.mark.parametrize(
    ("name", "optimizer"), [("replicated", "adamw"), ("sharded", "adamw"), ("muon", "muon")]
)
def test_two_processes_are_one_with_the_whole_batch(two: Run, name: str, optimizer: str) -> None:
    # Measured at each step, its losses are those of single steps.
    recipe = replace(RECIPE, evaluate_every=1, optimizer=optimizer, precision="float32")
    alone = fit(CONFIG, TOKENS, recipe, validation=None, device="cpu", progress=False)
    losses = torch.load(two.folder / f"{name}.pt")
    np.testing.assert_allclose(losses, alone.history["train_loss"], atol=1e-5, rtol=0)
    with torch.no_grad():
        expected = alone.model(TOKENS[:64].view(8, 8))
    torch.testing.assert_close(logits(two.folder / name), expected, atol=1e-4, rtol=0)


def test_sharded_is_replicated(two: Run) -> None:
    losses = [torch.load(two.folder / f"{name}.pt") for name in ("sharded", "replicated")]
    torch.testing.assert_close(*losses, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        logits(two.folder / "sharded"), logits(two.folder / "replicated"), atol=1e-4, rtol=0
    )
    halves = {
        name: [chunk.sizes[0] for chunk in chunks(two.folder / name, "model.embed.weight")]
        for name in ("sharded", "replicated")
    }
    assert halves == {"sharded": [6, 5], "replicated": [11]}


def chunks(folder: Path, name: str) -> list[ChunkStorageMetadata]:
    """Return the pieces in which a tensor was written."""
    written = FileSystemReader(folder / "step-00000012").read_metadata().state_dict_metadata[name]
    assert isinstance(written, TensorStorageMetadata)
    return written.chunks


def test_the_last_two_checkpoints_are_kept(two: Run) -> None:
    names = [path.name for path in parallel.checkpoints(two.folder / "sharded")]
    assert names == ["step-00000008", "step-00000012"]


def test_a_killed_process_costs_only_the_steps_since_the_checkpoint(two: Run) -> None:
    assert "Signal 9" in two.errors or "exitcode: -9" in two.errors
    steps = [line.split(":")[0] for line in two.out.splitlines() if line.startswith("step")]
    assert steps == ["step 4", "step 8", "step 12"] * 4  # none of them twice, all after the kill
    losses = [torch.load(two.folder / f"{name}.pt") for name in ("victim", "sharded")]
    assert torch.equal(*losses)
    ours, theirs = (parallel.load(two.folder / name)[0] for name in ("victim", "sharded"))
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name


# --- in this process, which is then the only one ---


def trained(folder: Path, recipe: Recipe = RECIPE, config: Config = CONFIG, **how: bool):
    with parallel.processes() as device:
        return parallel.train(config, TOKENS, recipe, folder, device, **how)


@pytest.mark.parametrize("shard", [False, True])
def test_resuming_changes_nothing(shard: bool, tmp_path: Path, monkeypatch) -> None:
    config = Config(11, 8, 1, 2, 16, dropout=0.2)
    expected = trained(tmp_path / "a", config=config, shard=shard)
    calls, inner = [], parallel.next_token_loss

    def interrupted(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(None)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return inner(*arguments)

    monkeypatch.setattr(parallel, "next_token_loss", interrupted)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "b", config=config, shard=shard)
    assert not dist.is_initialized()
    assert torch.equal(trained(tmp_path / "b", config=config, shard=shard), expected)
    assert len(calls) == 7 + 8  # from step 4 on
    # Nothing is left to do.
    assert torch.equal(trained(tmp_path / "b", config=config, shard=shard), expected)
    assert len(calls) == 7 + 8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 7}, "expected a batch for 2 processes, got batch=7"),
        ({"accumulate": 2}, "accumulate=1, got 2"),
        ({"optimizer": "muon"}, "Muon needs whole matrices"),
        ({"precision": "float16"}, "got precision='float16', compile=False"),
        ({"compile": True}, "got precision='auto', compile=True"),
    ],
)
def test_recipes_for_one_process_only(changes, message: str, tmp_path: Path, monkeypatch) -> None:
    recipe = Recipe(**{"steps": 4, "batch": 8, **changes})
    with parallel.processes() as device:
        monkeypatch.setattr(dist, "get_world_size", lambda: 2)
        with pytest.raises(ValueError, match=message):
            parallel.train(CONFIG, TOKENS, recipe, tmp_path, device, shard=True)
        monkeypatch.undo()


def test_the_folder_of_another_run(tmp_path: Path) -> None:
    trained(tmp_path, Recipe(steps=2, batch=2))
    with pytest.raises(CheckpointError, match="got another recipe: take another folder"):
        trained(tmp_path, Recipe(steps=3, batch=2))
    with pytest.raises(CheckpointError, match="got another config and recipe"):
        trained(tmp_path, Recipe(steps=3, batch=2), Config(12, 8, 2, 2, 16))


def test_folders_of_the_two_ways_to_train_are_told_apart(tmp_path: Path) -> None:
    trained(tmp_path / "parallel", Recipe(steps=2, batch=2))
    with pytest.raises(CheckpointError, match=r"udl.gpt.fit, got one of udl.gpt.parallel"):
        load(tmp_path / "parallel")
    recipe = Recipe(steps=2, batch=2, precision="float32")
    fit(CONFIG, TOKENS, recipe, folder=tmp_path / "fit", device="cpu", progress=False)
    with pytest.raises(CheckpointError, match=r"format 'udl.gpt.parallel 1', got another"):
        trained(tmp_path / "fit", Recipe(steps=2, batch=2))
    (tmp_path / "fit" / "run.json").unlink()
    with pytest.raises(CheckpointError, match=r"run.json is missing or damaged"):
        trained(tmp_path / "fit", Recipe(steps=2, batch=2))
    path = tmp_path / "parallel" / "run.json"
    damaged = path.read_text(encoding="utf-8").replace('"width": 16', '"width": 17')
    for content in (damaged, "{", "[]", None):
        path.unlink() if content is None else path.write_text(content, encoding="utf-8")
        with pytest.raises(CheckpointError, match=r"run.json"):
            parallel.load(tmp_path / "parallel")


def test_a_loss_that_explodes_leaves_no_checkpoint(tmp_path: Path, monkeypatch) -> None:
    calls, inner = [], parallel.next_token_loss

    def exploding(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(None)
        return inner(*arguments) * (float("nan") if len(calls) == 7 else 1.0)

    monkeypatch.setattr(parallel, "next_token_loss", exploding)
    with pytest.raises(NonFiniteLoss, match="the loss is nan in epoch 2, batch 3"):
        trained(tmp_path)
    assert [path.name for path in parallel.checkpoints(tmp_path)] == ["step-00000004"]


def test_each_process_has_its_own_dropout(tmp_path: Path, monkeypatch) -> None:
    seeds, inner = [], torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda seed: seeds.append(seed) or inner(seed))

    def stop(*_: torch.Tensor) -> torch.Tensor:
        raise InterruptedError

    monkeypatch.setattr(parallel, "next_token_loss", stop)
    monkeypatch.setattr(parallel, "spread", lambda model, device, shard: model)
    with parallel.processes() as device:
        monkeypatch.setattr(dist, "get_world_size", lambda *_: 2)
        for rank in (0, 1):
            monkeypatch.setattr(dist, "get_rank", lambda *_, rank=rank: rank)
            trained_here = tmp_path / str(rank)
            if rank:  # only the first process writes it
                trained_here.mkdir()
                (trained_here / "run.json").write_bytes((tmp_path / "0/run.json").read_bytes())
            with pytest.raises(InterruptedError):
                parallel.train(CONFIG, TOKENS, replace(RECIPE, seed=5), trained_here, device)
        monkeypatch.undo()
    assert seeds == [5, 5, 5, 6]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = tmp_path / "text.txt"
    text.write_text("to be or not to be, " * 20, encoding="utf-8")
    options = ["--steps", "3", "--batch", "2", "--evaluate-every", "2", "--shard"]
    parallel.main([str(text), "--out", str(tmp_path / "run"), *options])
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == ["step 2", "step 3"]
    model, letters = parallel.load(tmp_path / "run")
    assert letters is not None
    assert letters.decode(letters.encode("not to be")) == "not to be"
    assert model.config.vocabulary == letters.size == 8
    assert not model.training


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), ("", "at least one character"), ("ab", "take a longer text")],
)
def test_the_command_says_what_is_wrong(content, message: str, tmp_path: Path, capsys) -> None:
    text = tmp_path / "text.txt"
    if content is not None:
        text.write_text(content, encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        parallel.main([str(text), "--out", str(tmp_path / "run")])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
    assert not dist.is_initialized()
