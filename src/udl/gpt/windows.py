"""Windows of a text: what a GPT reads at once, and the tokens that follow."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from udl._check import count


class Windows:
    """Random windows of a text, and the same windows one token later.

    An epoch is a number of batches, all drawn at its beginning by a generator of its own.

    Parameters
    ----------
    tokens : tensor of shape (N,)
        The text. Batches are on its device.
    context : int
        Tokens in a window, T.
    batch : int
        Windows in a batch, B.
    steps : int
        Batches in an epoch.
    seed : int
        Of the generator.
    total : int, optional
        Batches of all epochs together: the last epoch may be shorter.

    Raises
    ------
    ValueError
        If the text is too short for one window and the token after it.

    Examples
    --------
    >>> windows = Windows(torch.arange(100), 4, batch=2, steps=3)
    >>> x, y = next(iter(windows))
    >>> x.shape, bool((y == x + 1).all())
    (torch.Size([2, 4]), True)
    """

    def __init__(
        self,
        tokens: Int[Tensor, " N"],
        context: int,
        *,
        batch: int,
        steps: int,
        seed: int = 0,
        total: int | None = None,
    ) -> None:
        count(context=context, batch=batch, steps=steps)
        if total is not None:
            count(total=total)
        long_enough(tokens, context)
        self.context, self.batch, self.steps = context, batch, steps
        self._windows = tokens.unfold(0, context + 1, 1)  # a view: N - T rows of T + 1 tokens
        self._generator = torch.Generator().manual_seed(seed)
        self._total, self._drawn = total, 0

    def __iter__(self) -> Iterator[tuple[Int[Tensor, "B T"], Int[Tensor, "B T"]]]:
        """Yield the batches of one epoch."""
        left = self.steps if self._total is None else self._total - self._drawn
        steps = min(self.steps, left)
        self._drawn += steps
        shape = (steps, self.batch)
        starts = torch.randint(len(self._windows), shape, generator=self._generator)
        for rows in starts.to(self._windows.device):
            both = self._windows[rows]  # B T+1
            yield both[:, :-1], both[:, 1:]

    def __len__(self) -> int:
        """Return the number of batches in an epoch; with `total`, the last may have fewer."""
        return self.steps

    def _facts(self) -> dict[str, int]:
        return {
            "windows": len(self._windows),
            "context": self.context,
            "batch": self.batch,
            "steps": self.steps,
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the generator's state, and the sizes by which it is recognized."""
        generator = self._generator.get_state()
        return {**self._facts(), "drawn": self._drawn, "generator": generator}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a state, or raise ValueError if it is of other windows."""
        theirs = {n: v for n, v in state.items() if n not in ("drawn", "generator")}
        if theirs != self._facts():
            raise ValueError(f"expected the state of windows with {self._facts()}, got {theirs}")
        self._drawn = state["drawn"]
        self._generator.set_state(state["generator"])


def validation_windows(
    tokens: Int[Tensor, " N"], context: int
) -> tuple[Int[Tensor, "I T"], Int[Tensor, "I T"]]:
    """Cut a text into windows that do not overlap, each with its targets.

    Parameters
    ----------
    tokens : tensor of shape (N,)
        The text.
    context : int
        Tokens in a window, T.

    Returns
    -------
    x, y : tensors of shape (I, T)
        Inputs, and the tokens that follow each of them. Every token but the first is a target
        once, except for fewer than T at the end of the text, which fill no window.

    Raises
    ------
    ValueError
        If the text is too short for one window and the token after it.

    Examples
    --------
    >>> x, y = validation_windows(torch.arange(8), 3)
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """
    count(context=context)
    long_enough(tokens, context)
    used = (len(tokens) - 1) // context * context
    return tokens[:used].view(-1, context), tokens[1 : used + 1].view(-1, context)


def long_enough(tokens: Tensor, context: int, what: str = "tokens") -> None:
    """Refuse a text that is too short for one window and the token after it."""
    if tokens.ndim != 1:
        raise ValueError(f"expected {what} of shape (N,), got shape {tuple(tokens.shape)}")
    if len(tokens) <= context:
        raise ValueError(
            f"expected more {what} than fit into the context, got {len(tokens)} with "
            f"context={context}: take a longer text or a smaller context"
        )
