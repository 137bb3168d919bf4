"""Muon: steps whose matrices turn every direction by about the same amount."""

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.optim import AdamW, Optimizer

from udl._check import count, positive

# A polynomial whose repeated use brings every singular value near 1, and small ones fast.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalize(
    matrices: Float[Tensor, "*N R C"], *, steps: int = 5, dtype: torch.dtype | None = None
) -> Float[Tensor, "*N R C"]:
    r"""Bring the singular values of matrices near 1, and keep their singular vectors.

    .. math:: X \leftarrow a X + b (X X^T) X + c (X X^T)^2 X, \qquad X_0 = G / \lVert G \rVert_F

    Parameters
    ----------
    matrices : tensor of shape (..., R, C)
        Several of one shape are computed at once.
    steps : int
        How often the polynomial is applied (Newton-Schulz iteration).
    dtype : torch.dtype, optional
        To compute in; None is bfloat16 on a CUDA device, and that of `matrices` elsewhere.

    Returns
    -------
    tensor of shape (..., R, C)
        Of the type of `matrices`.

    Raises
    ------
    ValueError
        If `matrices` has fewer than two axes, or `steps` is below 1.
    TypeError
        If `steps` is no integer.

    Notes
    -----
    After five steps, singular values that were more than 0.003 of the Frobenius norm are between
    0.68 and 1.21, which is near enough for a step of an optimizer. Smaller ones grow, by a factor
    of nearly 500, but stay below.

    References
    ----------
    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> values = torch.linalg.svdvals(orthogonalize(torch.randn(4, 6)))
    >>> bool(values.min() > 0.6), bool(values.max() < 1.3)
    (True, True)
    """
    count(steps=steps)
    if matrices.ndim < 2:
        raise ValueError(f"expected matrices, got shape {tuple(matrices.shape)}")
    if dtype is None:
        dtype = torch.bfloat16 if matrices.is_cuda else matrices.dtype
    a, b, c = COEFFICIENTS
    tall = matrices.shape[-2] > matrices.shape[-1]
    X = (matrices.mT if tall else matrices).to(dtype).reshape(-1, *sorted(matrices.shape[-2:]))
    X = X / X.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)  # N r c, with r <= c
    for _ in range(steps):
        A = X @ X.mT  # N r r
        B = torch.baddbmm(A, A, A, beta=b, alpha=c)  # N r r
        X = torch.baddbmm(X, B, X, beta=a)  # N r c
    return (X.mT if tall else X).reshape(matrices.shape).to(matrices.dtype)


class Muon(Optimizer):
    r"""Orthogonalized momentum for matrices, AdamW for all else, in one optimizer.

    .. math::

        M \leftarrow \mu M + (1 - \mu) G, \qquad
        W \leftarrow (1 - \alpha \lambda) W
        - \alpha \sqrt{\max(1, R / C)} \; \mathrm{orthogonalize}((1 - \mu) G + \mu M)

    Parameters
    ----------
    matrices : iterable of tensors of shape (R, C)
        Weights of hidden layers.
    others : iterable of tensors or of groups
        What AdamW trains: embeddings, head, biases, scales.
    lr : float
        Learning rate of the matrices.
    momentum : float
        mu, at least 0 and below 1.
    weight_decay : float
        lambda, for the matrices.
    steps : int
        Of :func:`orthogonalize`.
    dtype : torch.dtype, optional
        Of :func:`orthogonalize`.
    others_lr, others_weight_decay : float
        Of ``torch.optim.AdamW``, for groups of the others that have none of their own.
    betas, eps, fused
        Of ``torch.optim.AdamW``.

    Raises
    ------
    ValueError
        If there are no matrices, one of them is none, or a number is out of range.

    References
    ----------
    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".

    Examples
    --------
    >>> layer = torch.nn.Linear(3, 3)
    >>> optimizer = Muon([layer.weight], [layer.bias], lr=0.02, others_lr=1e-3)
    >>> layer(torch.ones(3)).sum().backward()
    >>> optimizer.step()
    >>> [group["rule"] for group in optimizer.param_groups]
    ['muon', 'adamw']
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        others: Iterable[Any] = (),
        *,
        lr: float | int = 0.02,
        momentum: float | int = 0.95,
        weight_decay: float | int = 0.0,
        steps: int = 5,
        dtype: torch.dtype | None = None,
        others_lr: float | int = 1e-3,
        others_weight_decay: float | int = 0.0,
        betas: tuple[float | int, float | int] = (0.9, 0.999),
        eps: float = 1e-8,
        fused: bool | None = None,
    ) -> None:
        matrices, others = list(matrices), list(others)
        positive(lr=lr, others_lr=others_lr)
        count(steps=steps)
        if not 0 <= momentum < 1:
            raise ValueError(f"expected a momentum in [0, 1), got momentum={momentum}")
        if not 0 <= weight_decay < math.inf:
            raise ValueError(f"expected a weight_decay of at least 0, got {weight_decay}")
        if not matrices:
            raise ValueError("expected at least one matrix, got none")
        for matrix in matrices:
            if matrix.ndim != 2:
                raise ValueError(f"expected matrices, got one of shape {tuple(matrix.shape)}")
        groups: list[dict[str, Any]] = [
            {
                "params": matrices,
                "rule": "muon",
                "lr": lr,
                "momentum": momentum,
                "weight_decay": weight_decay,
                "steps": steps,
            }
        ]
        self._dtype = dtype
        self._adamw = None
        if others:
            self._adamw = AdamW(
                others,
                lr=others_lr,
                weight_decay=others_weight_decay,
                betas=betas,
                eps=eps,
                fused=fused,
            )
            groups += [{**group, "rule": "adamw"} for group in self._adamw.param_groups]
        super().__init__(groups, {})

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs; torch's own would leave out what is ours."""
        return {**super().__getstate__(), "_dtype": self._dtype, "_adamw": self._adamw}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Refuse groups that come later: no rule would be theirs."""
        if "rule" not in param_group:
            raise ValueError("expected all parameters when Muon is made, got a group later")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient stay."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            if group["rule"] == "muon":
                self._turn(group)
        if self._adamw is not None:  # the same groups and states, also after a state was loaded
            self._adamw.param_groups = [g for g in self.param_groups if g["rule"] == "adamw"]
            self._adamw.state = self.state
            self._adamw.step()
        return result

    def _turn(self, group: dict[str, Any]) -> None:
        by_shape: dict[tuple[torch.Size, torch.device], list[Tensor]] = {}
        for p in group["params"]:
            if p.grad is not None:
                by_shape.setdefault((p.shape, p.device), []).append(p)
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
        mu, alpha = group["momentum"], group["lr"]
        for (shape, _), weights in by_shape.items():
            gradients: list[Tensor] = [p.grad for p in weights if p.grad is not None]
            momenta = [self.state[p]["momentum"] for p in weights]
            torch._foreach_lerp_(momenta, gradients, 1 - mu)
            ahead = torch.stack(torch._foreach_lerp(gradients, momenta, mu))  # N R C
            turned = orthogonalize(ahead, steps=group["steps"], dtype=self._dtype)
            if group["weight_decay"]:
                torch._foreach_mul_(weights, 1 - alpha * group["weight_decay"])
            scale = math.sqrt(max(1.0, shape[0] / shape[1]))
            torch._foreach_add_(weights, list(turned.unbind()), alpha=-alpha * scale)
