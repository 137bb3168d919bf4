"""How large a model is and what it costs: parameters, arithmetic, memory, and time.

All numbers follow from the config, so a model of any size can be asked about. No tensor is made.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from udl._check import count, positive
from udl.gpt.config import Config


def parameters(config: Config) -> dict[str, int]:
    r"""Return how many parameters a model has, by part.

    With biases and layer norms, a block has :math:`12 D^2 + 13 D`: four matrices of D x D in
    attention, and two of D x 4D in the MLP.

    Parameters
    ----------
    config : Config
        Of the model.

    Returns
    -------
    dict
        "token embedding", "position embedding", "attention", "mlp", "norms", "head" (0 where it
        shares the embedding's matrix), and their sum, "total".

    Examples
    --------
    >>> parameters(Config())["total"]
    208320
    """
    D, V, L = config.width, config.vocabulary, config.layers
    parts = {
        "token embedding": V * D,
        "position embedding": config.context * D if config.position == "learned" else 0,
        "attention": L * (4 * D**2 + 4 * D * config.bias),
        "mlp": L * (8 * D**2 + 5 * D * config.bias),
        "norms": (2 * L + 1) * D * (2 if config.norm == "layer" and config.bias else 1),
        "head": 0 if config.tied else V * D,
    }
    return {**parts, "total": sum(parts.values())}


def flops_per_token(config: Config, *, training: bool = True, attention: bool = True) -> int:
    r"""Return the floating-point operations that a token costs in a full context.

    Each entry of a matrix multiplies a number and adds the product to a sum: 2 operations forward.
    The backward pass does so twice, for the gradient of the input and of the matrix. A token's
    query meets T keys of D numbers, and the weights T values, in each of L blocks:

    .. math::
        6 (12 L D^2 + V D) + 12 L T D

    Parameters
    ----------
    config : Config
        Of the model; T is its context.
    training : bool
        Forward and backward; otherwise forward alone, a third of it.
    attention : bool
        Whether to count queries with keys, and weights with values.

    Returns
    -------
    int
        Operations. Norms, activations and softmax are not counted, nor is it taken into account
        that a query need not meet later keys: both are customs of the field.

    References
    ----------
    Kaplan et al. 2020, section 2.1; Chowdhery et al. 2022, appendix B, which also counts all keys.

    Examples
    --------
    >>> flops_per_token(Config(), training=False, attention=False)  # two for each matrix entry
    401536
    """
    D, L = config.width, config.layers
    matrices = 12 * L * D**2 + config.vocabulary * D  # entries that a token meets
    keys = 2 * L * config.context * D if attention else 0  # Q with K, weights with V
    return 2 * (matrices + keys) * (3 if training else 1)


class TrainingFlops(NamedTuple):
    """What training costs, by two counts."""

    rule: int
    """6 N n: N parameters, embeddings included; n tokens."""
    counted: int
    """By :func:`flops_per_token`, attention included."""


def training_flops(config: Config, tokens: int | float) -> TrainingFlops:
    """Return the floating-point operations of a training run.

    Parameters
    ----------
    config : Config
        Of the model.
    tokens : int or float
        How many the model is trained on, n.

    Returns
    -------
    TrainingFlops
        The rule of thumb 6 N n, and the count with attention.

    Notes
    -----
    Kaplan et al. leave the embeddings out of N; here N counts all parameters. In a large model
    the difference is small.

    References
    ----------
    Kaplan et al. 2020, section 2.1; Brown et al. 2020, table D.1, has 3.14e23 for GPT-3 by the
    rule.

    Examples
    --------
    >>> from udl.gpt import preset
    >>> print(f"{training_flops(preset('gpt3'), 300e9).rule:.3g}")
    3.14e+23
    """
    positive(tokens=float(tokens))
    n = round(tokens)
    return TrainingFlops(6 * parameters(config)["total"] * n, flops_per_token(config) * n)


def memory(
    config: Config,
    *,
    batch: int = 1,
    weight_bytes: int = 4,
    activation_bytes: int = 4,
    optimizer: Literal["sgd", "momentum", "adam", "muon"] = "adam",
) -> dict[str, int]:
    r"""Return the bytes that training and inference need, by what they hold.

    Parameters
    ----------
    config : Config
        Of the model.
    batch : int
        Texts of full context at once, B.
    weight_bytes : int
        For a weight, a gradient, and a number of the optimizer's state: 4 in float32.
    activation_bytes : int
        For a number that flows through the model: 4 in float32; 2 in float16 and bfloat16.
    optimizer : {"sgd", "momentum", "adam", "muon"}
        Adam keeps two averages for each weight; momentum keeps one. Muon keeps one for the
        matrices in the blocks, and Adam's two for the rest.

    Returns
    -------
    dict
        In bytes. For training: "weights", "gradients", "optimizer", "activations" (kept for the
        backward pass; an estimate), and their sum "training". For inference, with everything in
        `activation_bytes`: "cache" (keys and values of B full contexts), and with the weights
        "inference".

    Raises
    ------
    ValueError
        If a number is less than 1, or there is no such optimizer.
    TypeError
        If a number is no integer.

    Notes
    -----
    A block keeps about 16 D numbers for each token: its norms' inputs and outputs (4 D), queries,
    keys and values (3 D), what attention gathered (D), and the MLP before and after its activation
    (8 D). The T x T attention weights are not kept: ``scaled_dot_product_attention`` computes them
    again. Options may keep more; recomputing activations would keep less. The last norm and the
    head keep their inputs (2 D). The loss keeps the logarithms of V probabilities in float32, and
    nothing keeps the logits.

    References
    ----------
    Rajbhandari et al. 2020 for the 16 bytes of a parameter that Adam trains; Korthikanti et al.
    2023 for the activations.

    Examples
    --------
    >>> from udl.gpt import preset
    >>> sizes = memory(preset("gpt3"), activation_bytes=2)
    >>> [f"{sizes[part] / 1e9:.0f} GB" for part in ("weights", "optimizer", "inference")]
    ['698 GB', '1397 GB', '359 GB']
    """
    count(batch=batch, weight_bytes=weight_bytes, activation_bytes=activation_bytes)
    D, L, V = config.width, config.layers, config.vocabulary
    N = parameters(config)["total"]
    matrices = 12 * L * D**2
    states = {"sgd": 0, "momentum": N, "adam": 2 * N, "muon": 2 * N - matrices}
    if optimizer not in states:
        choices = ", ".join(map(repr, states))
        raise ValueError(f"expected one of {choices}, got optimizer={optimizer!r}")
    tokens = batch * config.context
    kept = (16 * L * D + 2 * D) * activation_bytes + 4 * V
    training = {
        "weights": N * weight_bytes,
        "gradients": N * weight_bytes,
        "optimizer": states[optimizer] * weight_bytes,
        "activations": tokens * kept,
    }
    cache = 2 * L * D * tokens * activation_bytes
    return {
        **training,
        "training": sum(training.values()),
        "cache": cache,
        "inference": N * activation_bytes + cache,
    }


@dataclass(frozen=True)
class Hardware:
    """A processor for tensors, by its data sheet.

    Parameters
    ----------
    name : str
        As sold.
    flops_per_second : float
        Peak of matrix products in `precision`, without the doubling that structured sparsity may
        bring.
    bytes_per_second : float
        Between the processor and its memory.
    memory : float
        In bytes.
    precision : str
        The number format of the peak.
    source : str
        Where the numbers are from.

    Raises
    ------
    ValueError
        If a number is not positive.

    Examples
    --------
    >>> HARDWARE["H100"].flops_per_second / HARDWARE["A100"].flops_per_second > 3
    True
    """

    name: str
    flops_per_second: float
    bytes_per_second: float
    memory: float
    precision: str
    source: str

    def __post_init__(self) -> None:
        """Refuse numbers that no processor has."""
        for name in ("flops_per_second", "bytes_per_second", "memory"):
            positive(**{name: getattr(self, name)})


HARDWARE = {
    "V100": Hardware(
        "NVIDIA V100 SXM2 32 GB", 125e12, 900e9, 32e9, "float16", "NVIDIA V100 data sheet, 2020"
    ),
    "A100": Hardware(
        "NVIDIA A100 SXM 80 GB", 312e12, 2039e9, 80e9, "bfloat16", "NVIDIA A100 data sheet, 2021"
    ),
    "H100": Hardware(
        "NVIDIA H100 SXM", 989e12, 3.35e12, 80e9, "bfloat16", "NVIDIA H100 data sheet, 2023"
    ),
    "H200": Hardware(
        "NVIDIA H200 SXM", 989e12, 4.8e12, 141e9, "bfloat16", "NVIDIA H200 data sheet, 2024"
    ),
}


def training_time(
    flops: int | float, hardware: Hardware, *, devices: int = 1, utilization: float | int = 0.4
) -> float:
    """Return the seconds that a training run takes.

    Parameters
    ----------
    flops : int or float
        Floating-point operations of the run, as from :func:`training_flops`.
    hardware : Hardware
        What it runs on.
    devices : int
        How many work at once.
    utilization : float
        The share of the peak that is reached.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    ValueError
        If a number is not positive, or the utilization above 1.
    TypeError
        If `hardware` is something else, as its name alone.

    Examples
    --------
    >>> years = training_time(3.14e23, HARDWARE["V100"], utilization=1.0) / (365 * 24 * 3600)
    >>> print(f"{years:.0f} V100 years at the very best")
    80 V100 years at the very best
    """
    _check_hardware(hardware)
    positive(flops=float(flops), utilization=float(utilization))
    count(devices=devices)
    if utilization > 1:
        raise ValueError(f"expected a share of at most 1, got utilization={utilization}")
    return float(flops) / (hardware.flops_per_second * devices * utilization)


def utilization(flops_per_second: float | int, hardware: Hardware) -> float:
    """Return the share of a processor's peak that a run reaches: model FLOP utilization.

    Parameters
    ----------
    flops_per_second : float
        Tokens in a second times :func:`flops_per_token`.
    hardware : Hardware
        What it runs on.

    Returns
    -------
    float
        Between 0 and 1. It is not cut off: above 1, something was counted or timed wrong.

    Raises
    ------
    ValueError
        If the number is not positive.
    TypeError
        If `hardware` is something else, as its name alone.

    References
    ----------
    Chowdhery et al. 2022, section 4.1.

    Examples
    --------
    >>> round(utilization(400e12, HARDWARE["H100"]), 2)
    0.4
    """
    _check_hardware(hardware)
    positive(flops_per_second=float(flops_per_second))
    return flops_per_second / hardware.flops_per_second


def _check_hardware(hardware: Hardware) -> None:
    if not isinstance(hardware, Hardware):
        raise TypeError(f"expected a Hardware, as one of HARDWARE, got hardware={hardware!r}")
