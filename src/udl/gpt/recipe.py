"""How a GPT is trained: what is chosen besides the model and the text."""

import dataclasses
import functools
import math
import time
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.functional import linear
from torch.optim import AdamW, Optimizer

from udl._check import count, positive
from udl.gpt.muon import Muon
from udl.optim import cosine_schedule


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is trained: all that is chosen besides the model and the text.

    Parameters
    ----------
    steps : int
        Steps of the optimizer.
    batch : int
        Windows that go through the model at once.
    alpha : float
        Largest learning rate (of AdamW).
    optimizer : str
        ``"adamw"``, or ``"muon"`` for the matrices in the blocks.
    muon_alpha : float
        Largest learning rate of those matrices with ``"muon"``.
    betas : pair of floats
        Of AdamW.
    weight_decay : float
        Of matrices and embeddings; biases and scales have none.
    warmup : float
        Share of the steps in which the rate rises to its largest.
    schedule : str
        How it falls afterwards: ``"cosine"`` or ``"linear"``.
    final : float
        To which share of the largest rate.
    clip : float, optional
        Longest gradient.
    precision : str
        ``"float32"``, ``"bfloat16"``, ``"float16"``, or ``"auto"``: bfloat16 on a CUDA device that
        has it, else float16; on a CPU what ``recipe.quicker_on_cpu`` measures.
    accumulate : int
        Batches in a step: the gradient is that of ``batch * accumulate`` windows.
    evaluate_every : int
        Steps between measurements of the validation loss; there is one at the end, too.
    compile : bool
        Let torch compile the model first.
    seed : int
        Of the first weights, the windows, and dropout; at least 0 and below 2^63.

    Raises
    ------
    ValueError, TypeError
        If a value is out of range.

    Examples
    --------
    >>> Recipe(steps=100, batch=8).windows
    800
    >>> Recipe(final=2.0)
    Traceback (most recent call last):
        ...
    ValueError: expected a share between 0 and 1, got final=2.0
    """

    steps: int = 2000
    batch: int = 12
    alpha: float | int = 1e-3
    optimizer: Literal["adamw", "muon"] = "adamw"
    muon_alpha: float | int = 0.02
    betas: tuple[float | int, float | int] = (0.9, 0.99)
    weight_decay: float | int = 0.1
    warmup: float | int = 0.05
    schedule: Literal["cosine", "linear"] = "cosine"
    final: float | int = 0.1
    clip: float | int | None = 1.0
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    accumulate: int = 1
    evaluate_every: int = 250
    compile: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that no training can have."""
        count(steps=self.steps, batch=self.batch, accumulate=self.accumulate)
        count(evaluate_every=self.evaluate_every)
        positive(alpha=self.alpha, muon_alpha=self.muon_alpha)
        if self.clip is not None:
            positive(clip=self.clip)
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"expected one of {allowed}, got {name}={getattr(self, name)!r}")
        for name in ("warmup", "final"):
            if not 0 <= getattr(self, name) <= 1:
                got = getattr(self, name)
                raise ValueError(f"expected a share between 0 and 1, got {name}={got}")
        if not 0 <= self.weight_decay < math.inf:
            got = self.weight_decay
            raise ValueError(f"expected a number of at least 0, got weight_decay={got}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"expected an integer, got seed={self.seed!r}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"expected an integer in [0, 2^63), got seed={self.seed}")
        object.__setattr__(self, "betas", tuple(self.betas))
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"expected two numbers in [0, 1), got betas={self.betas}")

    @property
    def windows(self) -> int:
        """Windows of text that the whole training sees."""
        return self.steps * self.batch * self.accumulate

    def rate(self, step: int) -> float:
        """Return the learning rate of a step (0, 1, ...), as a share of the largest."""
        warmup = min(int(self.warmup * self.steps), self.steps - 1)
        if self.schedule == "cosine" or step < warmup:
            return cosine_schedule(1.0, self.steps, final=self.final, warmup=warmup)(step)
        return 1 - (1 - self.final) * min(1.0, (step - warmup) / (self.steps - warmup))

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and strings by name."""
        return dataclasses.asdict(self) | {"betas": list(self.betas)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Recipe":
        """Make a recipe from what :meth:`to_dict` returned.

        Raises
        ------
        ValueError
            If a field is missing or unknown.
        """
        names = {field.name for field in dataclasses.fields(cls)}
        if missing := sorted(names - plain.keys()):
            raise ValueError(f"expected all fields of a recipe, got none for {', '.join(missing)}")
        if unknown := sorted(plain.keys() - names):
            raise ValueError(f"expected only fields of a recipe, got also {', '.join(unknown)}")
        return cls(**{**plain, "betas": tuple(plain["betas"])})


_CHOICES = {
    "optimizer": ("adamw", "muon"),
    "schedule": ("cosine", "linear"),
    "precision": ("auto", "float32", "bfloat16", "float16"),
}

# In which Muon computes; float16 has too small a range for its products.
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_QUICK = Recipe(
    batch=32, alpha=1.5e-2, optimizer="muon", muon_alpha=0.04, schedule="linear", final=0.0
)

RECIPES = {
    # The same page on each processor, so no precision that depends on it.
    "page": dataclasses.replace(_QUICK, steps=500, evaluate_every=100, precision="float32"),
    "nanogpt-cpu": Recipe(),
    "fast-cpu": dataclasses.replace(
        _QUICK,
        steps=1450,
        batch=16,
        alpha=1e-2,
        muon_alpha=0.03,
        weight_decay=0.05,
        evaluate_every=290,
    ),
    "gpu": dataclasses.replace(_QUICK, steps=2000, batch=64, alpha=1e-3, muon_alpha=0.02),
    "gpt2": Recipe(steps=600_000, batch=12, alpha=6e-4, betas=(0.9, 0.95), accumulate=40),
}


def optimizer_for(model: nn.Module, recipe: Recipe) -> Optimizer:
    """Make the optimizer of a recipe: which rule for which parameters.

    Parameters
    ----------
    model : nn.Module
        A GPT, or another whose hidden layers are in ``blocks``.
    recipe : Recipe
        With the rule and its rates.

    Returns
    -------
    torch.optim.Optimizer
        AdamW, or :class:`Muon` with the matrices of the blocks first.

    Examples
    --------
    >>> from udl.gpt import GPT, Config
    >>> model = GPT(Config(layers=1, heads=2, width=8))
    >>> optimizer = optimizer_for(model, Recipe(optimizer="muon"))
    >>> len(optimizer.param_groups[0]["params"])
    4
    """
    named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    hidden = [p for n, p in named if p.ndim == 2 and n.startswith("blocks.")]
    chosen = {id(p) for p in hidden} if recipe.optimizer == "muon" else set()
    rest = [p for _, p in named if id(p) not in chosen]
    decay = recipe.weight_decay
    groups: list[dict[str, Any]] = [
        {"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = all(p.device.type in ("cpu", "cuda") for _, p in named)  # one pass over all tensors
    if recipe.optimizer == "muon":
        return Muon(
            hidden,
            groups,
            lr=recipe.muon_alpha,
            weight_decay=decay,
            dtype=_DTYPES.get(recipe.precision),
            others_lr=recipe.alpha,
            betas=recipe.betas,
            fused=fused,
        )
    return AdamW(groups, lr=recipe.alpha, betas=recipe.betas, fused=fused)


@functools.cache
def quicker_on_cpu(rows: int, width: int) -> Literal["bfloat16", "float32"]:
    """Measure in which numbers this processor multiplies the matrices of a model sooner.

    Training in bfloat16 has costs of its own, so it must be one and a half times as quick. Where
    the processor has instructions for it, it is twice as quick; elsewhere it is slower. Both take
    turns, for 0.04 s or three rounds, and the quickest of each counts: what else the processor
    does meanwhile slows both. On a busy one, two processes may still find different answers, so
    give the precision where results must be the same.

    Parameters
    ----------
    rows : int
        Tokens that go through the model at once; more than 1024 are measured as 1024.
    width : int
        Of the model.

    Returns
    -------
    str
        A precision.

    Examples
    --------
    >>> quicker_on_cpu(768, 1)
    'float32'
    """
    dtypes, end, rounds = (torch.float32, torch.bfloat16), time.perf_counter() + 0.04, 0
    seconds = dict.fromkeys(dtypes, math.inf)
    a = {dtype: torch.ones(min(rows, 1024), width, dtype=dtype) for dtype in dtypes}
    b = {dtype: torch.ones(4 * width, width, dtype=dtype) for dtype in dtypes}
    while rounds < 3 or (rounds < 50 and time.perf_counter() < end):
        rounds += 1
        for dtype in dtypes:
            began = time.perf_counter()
            linear(a[dtype], b[dtype])
            seconds[dtype] = min(seconds[dtype], time.perf_counter() - began)
    repaid = seconds[torch.float32] > 1.5 * seconds[torch.bfloat16]
    return "bfloat16" if repaid else "float32"
