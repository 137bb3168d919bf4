r"""Past one machine: the same training in several processes, on one machine or on many.

``torchrun`` starts the processes and gives each its rank, 0 to W - 1::

    torchrun --standalone --nproc-per-node 2 -m udl.gpt.parallel TEXT --out FOLDER

Each process holds the model, reads its own rows of a batch that is the same for all, and computes
their gradient. The mean of these gradients is that of the whole batch, so the training is that of
one process (`DistributedDataParallel`, Li et al. 2020). With ``--shard``, each process keeps only
its part of the weights and of the optimizer's state, and gets the others' when a block needs them
(FSDP2; Rajbhandari et al. 2020, Zhao et al. 2023).

A process that dies takes the others with it. With ``--max-restarts``, torchrun starts all of them
again, and they go on from the last checkpoint::

    TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 torchrun --standalone --nproc-per-node 2 \
        --max-restarts 3 -m udl.gpt.parallel TEXT --out FOLDER

Without that variable, the new processes look for each other in the store of the old ones (torch
2.13), and find addresses where nobody answers. On several machines, the folder must be one that
all of them see.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import os
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict_loader, state_dict_saver
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from udl.gpt._run import PARALLEL, facts_of
from udl.gpt.config import PRESETS, Config, preset
from udl.gpt.model import GPT, next_token_loss
from udl.gpt.recipe import RECIPES, Recipe, optimizer_for
from udl.gpt.tokenizer import Characters, Tokenizer, from_dict
from udl.gpt.windows import Windows
from udl.train import CheckpointError, NonFiniteLoss
from udl.train._epoch import advice
from udl.train._files import write


@contextmanager
def processes() -> Iterator[torch.device]:
    """Join the processes that torchrun started, and give this one's device.

    Without torchrun, there is this process only. Processes talk through NCCL between GPUs, through
    gloo between CPUs.

    Yields
    ------
    torch.device
        A GPU of its own, or the CPU.

    Examples
    --------
    >>> with processes():
    ...     print(dist.get_rank(), "of", dist.get_world_size())
    0 of 1
    """
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    backend = "nccl" if device.type == "cuda" else "gloo"
    if dist.is_torchelastic_launched():
        dist.init_process_group(backend)
    else:
        alone = dist.HashStore()  # type: ignore[attr-defined]
        dist.init_process_group(backend, store=alone, rank=0, world_size=1)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def spread(model: GPT, device: torch.device, *, shard: bool = False) -> nn.Module:
    """Make a model one that averages its gradients over the processes.

    Parameters
    ----------
    model : GPT
        With the same weights in each process.
    device : torch.device
        That of the process.
    shard : bool
        Whether each process keeps only its part of each weight. Then `model` itself changes.

    Returns
    -------
    nn.Module
        What to train. With `shard` it is `model`.

    Examples
    --------
    >>> from udl.gpt import Config
    >>> with processes() as device:
    ...     model = spread(GPT(Config(layers=1, heads=2, width=8)), device, shard=True)
    >>> type(model.embed.weight).__name__
    'DTensor'
    """
    model = model.to(device)
    if not shard:
        return DistributedDataParallel(model)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in model.blocks:  # weights are brought together block by block
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    return model


def train(
    config: Config,
    tokens: Int[Tensor, " N"],
    recipe: Recipe,
    folder: str | os.PathLike[str],
    device: torch.device,
    *,
    tokenizer: Tokenizer | None = None,
    shard: bool = False,
) -> Float[Tensor, " steps"]:
    """Train a GPT in all processes, or go on from the folder's last checkpoint.

    Parameters
    ----------
    config : Config
        Of the model.
    tokens : tensor of shape (N,)
        The text, the same in each process. All of it is learned.
    recipe : Recipe
        As for :func:`udl.gpt.train.fit`. ``batch`` is that of all processes together.
    folder : path
        For ``run.json`` and a checkpoint each ``evaluate_every`` steps; the last two are kept.
    device : torch.device
        What `processes` gave.
    tokenizer : Tokenizer, optional
        Kept in ``run.json``.
    shard : bool
        Whether to spread weights and optimizer over the processes, too.

    Returns
    -------
    tensor of shape (steps,)
        Loss of the whole batch at each step, in nats.

    Raises
    ------
    ValueError
        If the batch can't be dealt out evenly, or the recipe needs what is not done here.
    CheckpointError
        If the folder is of another text, config or recipe.
    NonFiniteLoss
        If the loss is NaN or infinite: in all processes, before the next checkpoint.
    """
    rank, world, folder = dist.get_rank(), dist.get_world_size(), Path(folder)
    if recipe.batch % world:
        raise ValueError(f"expected a batch for {world} processes, got batch={recipe.batch}")
    if recipe.accumulate > 1:
        raise ValueError(f"expected a recipe with accumulate=1, got {recipe.accumulate}")
    if recipe.precision == "float16" or recipe.compile:
        raise ValueError(
            "expected a recipe without float16 and compile, got "
            f"precision={recipe.precision!r}, compile={recipe.compile}"
        )
    if shard and recipe.optimizer == "muon":
        raise ValueError("expected optimizer='adamw', since Muon needs whole matrices, got 'muon'")
    facts = facts_of(config, tokenizer, recipe, tokens, None) | {"format": PARALLEL}
    _same_run(folder, facts)

    torch.manual_seed(recipe.seed)  # the same first weights everywhere
    model = spread(GPT(config), device, shard=shard)
    optimizer = optimizer_for(getattr(model, "module", model), recipe)
    rates = [group["lr"] for group in optimizer.param_groups]
    windows = Windows(
        tokens.to(device),
        config.context,
        batch=recipe.batch,
        steps=recipe.evaluate_every,
        seed=recipe.seed,
        total=recipe.steps,
    )
    bfloat16 = recipe.precision == "bfloat16" or (
        recipe.precision == "auto" and device.type == "cuda"
    )
    losses = torch.zeros(recipe.steps, device=device)

    def state() -> dict[str, Any]:
        weights, moments = get_state_dict(model, optimizer)
        place = windows.state_dict()
        return {"model": weights, "optimizer": moments, "windows": place, "losses": losses}

    step = 0
    if done := checkpoints(folder):
        state_dict_loader.load(found := state(), checkpoint_id=done[-1])
        set_state_dict(
            model,
            optimizer,
            model_state_dict=found["model"],
            optim_state_dict=found["optimizer"],
        )
        windows.load_state_dict(found["windows"])
        step = found["windows"]["drawn"]
    while step < recipe.steps:
        torch.manual_seed(recipe.seed + step * world + rank)  # each its own dropout
        begin = step
        for x, y in windows:
            x, y = x[rank::world], y[rank::world]  # my rows: B / W of them
            with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
                loss = next_token_loss(model(x), y)
            # On its way back, the gradient becomes the mean over the processes.
            loss.backward()  # type: ignore[no-untyped-call]
            if recipe.clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * recipe.rate(step)
            optimizer.step()
            optimizer.zero_grad()
            losses[step] = loss.detach() / world
            step += 1
        dist.all_reduce(losses[begin:step])
        for number, value in enumerate(losses[begin:step].tolist(), start=1):
            if not math.isfinite(value):
                raise NonFiniteLoss(
                    -(-step // recipe.evaluate_every), number, value, "loss", advice()
                )
        state_dict_saver.save(state(), checkpoint_id=folder / f"step-{step:08}")
        if rank == 0:
            print(f"step {step}: loss {losses[begin:step].mean():.4f}", flush=True)
            for old in checkpoints(folder)[:-2]:
                shutil.rmtree(old)
    return losses.cpu()


def checkpoints(folder: str | os.PathLike[str]) -> list[Path]:
    """List a folder's complete checkpoints, the oldest first.

    Parameters
    ----------
    folder : path
        What `train` was given.

    Returns
    -------
    list of Path
        Folders. The file ``.metadata`` gets its name when all else is written, so a checkpoint
        that a process did not live to complete has none, and is not listed.

    Examples
    --------
    >>> checkpoints("nowhere")
    []
    """
    return sorted(path.parent for path in Path(folder).glob("step-*/.metadata"))


def load(folder: str | os.PathLike[str]) -> tuple[GPT, Tokenizer | None]:
    """Read the last checkpoint in one process, however many have written it.

    Parameters
    ----------
    folder : path
        What `train` was given.

    Returns
    -------
    model : GPT
        On the CPU, in evaluation mode.
    tokenizer : Tokenizer or None
        That of the training.

    Raises
    ------
    CheckpointError
        If there is no complete checkpoint, or ``run.json`` is missing, damaged or another's.

    Examples
    --------
    >>> load("nowhere")
    Traceback (most recent call last):
        ...
    udl.train._files.CheckpointError: expected a checkpoint in nowhere, got none
    """
    done = checkpoints(folder)
    if not done:
        raise CheckpointError(f"expected a checkpoint in {folder}, got none")
    path = Path(folder, "run.json")
    facts = _facts(path)
    try:
        config = Config.from_dict(facts["config"])
        tokenizer = None if facts["tokenizer"] is None else from_dict(facts["tokenizer"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    with torch.random.fork_rng([]):
        model = GPT(config)
    with warnings.catch_warnings():  # that it is one process is what we want
        warnings.filterwarnings("ignore", "torch.distributed is")
        state_dict_loader.load({"model": model.state_dict()}, checkpoint_id=done[-1], no_dist=True)
    return model.eval(), tokenizer


def _facts(path: Path) -> dict[str, Any]:
    """Return what is in ``run.json``."""
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is missing or damaged: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != PARALLEL:
        raise CheckpointError(f"expected a run of format {PARALLEL!r}, got another: {path}")
    return facts


def _same_run(folder: Path, facts: dict[str, Any]) -> None:
    """Write ``run.json``, or refuse a folder where it is another."""
    path = folder / "run.json"
    if dist.get_rank() == 0 and not path.exists() and not list(folder.glob("*.pt")):
        write(path, json.dumps(facts, indent=1).encode())
    dist.barrier()
    theirs, mine = _facts(path), json.loads(json.dumps(facts))
    if other := [name for name in mine if theirs.get(name) != mine[name]]:
        raise CheckpointError(
            f"expected {path} to be of this run, got another {' and '.join(other)}: "
            "take another folder"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Train on a text file; what torchrun runs in each process.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the command line, which ``--help`` explains.
    """
    parser = argparse.ArgumentParser("udl.gpt.parallel", description="Train a GPT in parallel.")
    parser.add_argument("text", type=Path, help="file to learn, in UTF-8")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints")
    parser.add_argument("--preset", choices=PRESETS, default="page", help="model")
    parser.add_argument("--shard", action="store_true", help="spread the weights, too (FSDP2)")
    parser.add_argument("--seed", type=int, default=0)
    for name in ("steps", "batch", "evaluate_every"):
        option = "--" + name.replace("_", "-")
        parser.add_argument(option, type=int, help="instead of the preset's")
    given = vars(parser.parse_args(arguments))
    text, folder, name, shard = (given.pop(key) for key in ("text", "out", "preset", "shard"))
    try:
        content = text.read_text(encoding="utf-8")
        tokenizer = Characters(content)
        recipe = dataclasses.replace(
            RECIPES.get(name, RECIPES["gpt2"]),
            optimizer="adamw",
            accumulate=1,
            **{key: value for key, value in given.items() if value is not None},
        )
        config = preset(name, vocabulary=tokenizer.size)
        tokens = torch.tensor(tokenizer.encode(content))
        with processes() as device:
            train(config, tokens, recipe, folder, device, tokenizer=tokenizer, shard=shard)
    except (OSError, ValueError, CheckpointError) as error:
        parser.error(str(error))
    except NonFiniteLoss as error:
        parser.exit(1, f"{parser.prog}: error: {error}\n")


if __name__ == "__main__":
    main()
