"""What decides a model's shape: one frozen record, and names for the ones the book uses."""

from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from typing import Any, Literal

from udl._check import count


@dataclass(frozen=True)
class Config:
    """The shape of a GPT, and the choices within its block.

    The default is the block of GPT-2 (Radford et al. 2019) in a small size: layer norm before each
    part, GELU, biases, learned positions, and a head that shares its matrix with the embedding.

    Parameters
    ----------
    vocabulary : int
        How many tokens there are, V.
    context : int
        How many tokens the model can see at once.
    layers : int
        Blocks, L.
    heads : int
        Attention heads in a block, H.
    width : int
        Numbers that describe a token between blocks, D. A multiple of `heads`.
    dropout : float
        Share of the numbers that training sets to zero after the embedding, on attention weights,
        and where a block adds to the stream.
    bias : bool
        Whether linear layers and layer norms add a bias. The head never does.
    norm : {"layer", "rms"}
        Layer norm, or RMSNorm (Zhang and Sennrich 2019), which does not subtract the mean.
    position : {"learned", "rotary"}
        A learned vector for each position, or queries and keys that turn with the position
        (Su et al. 2021).
    qk_norm : bool
        Whether queries and keys get RMSNorm without a gain, so that their length no longer counts
        (Henry et al. 2020, with another norm).
    activation : {"gelu", "gelu_erf", "relu2"}
        GELU in the tanh form of GPT-2, GELU itself (Hendrycks and Gimpel 2016), or the square of
        ReLU (So et al. 2021).
    tied : bool
        Whether the head uses the matrix of the embedding (Press and Wolf 2017).
    initialization : {"gpt2", "zero"}
        How the parameters are drawn, see :meth:`udl.gpt.GPT.initialize`: small and random as in
        GPT-2, or such that each block, and an untied head, begins by saying nothing.

    Raises
    ------
    ValueError
        If a number is out of its range, or no such choice exists.
    TypeError
        If a size is no integer, or a switch no bool.

    Examples
    --------
    >>> config = Config(width=96, heads=6)
    >>> config.head_width
    16
    >>> Config.from_dict(config.to_dict()) == config
    True
    """

    vocabulary: int = 65
    context: int = 64
    layers: int = 4
    heads: int = 4
    width: int = 64
    dropout: float | int = 0.0
    bias: bool = True
    norm: Literal["layer", "rms"] = "layer"
    position: Literal["learned", "rotary"] = "learned"
    qk_norm: bool = False
    activation: Literal["gelu", "gelu_erf", "relu2"] = "gelu"
    tied: bool = True
    initialization: Literal["gpt2", "zero"] = "gpt2"

    def __post_init__(self) -> None:
        """Refuse what no model can be built from; make NumPy's numbers plain, as JSON has them."""
        for name in ("vocabulary", "context", "layers", "heads", "width"):
            count(**{name: getattr(self, name)})
            object.__setattr__(self, name, int(getattr(self, name)))
        for name in ("bias", "qk_norm", "tied"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"expected True or False, got {name}={getattr(self, name)!r}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"expected {name} to be one of {', '.join(map(repr, choices))}, "
                    f"got {name}={getattr(self, name)!r}"
                )
        if isinstance(self.dropout, bool) or not isinstance(self.dropout, Real):
            raise TypeError(f"expected a number, got dropout={self.dropout!r}")
        object.__setattr__(self, "dropout", float(self.dropout))
        if not 0 <= self.dropout < 1:
            raise ValueError(f"expected 0 <= dropout < 1, got dropout={self.dropout}")
        if self.width % self.heads:
            raise ValueError(
                "expected a width that is a multiple of heads, "
                f"got width={self.width}, heads={self.heads}"
            )
        if self.position == "rotary" and self.head_width % 2:
            raise ValueError(
                "expected an even head width, since rotary positions turn pairs of numbers, "
                f"got width / heads = {self.width} / {self.heads} = {self.head_width}"
            )

    @property
    def head_width(self) -> int:
        """Numbers in one query, key or value: D / H."""
        return self.width // self.heads

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain dict, which JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Config":
        """Return the config that :meth:`to_dict` described.

        Raises
        ------
        ValueError
            If a field is missing or unknown.
        """
        names = {field.name for field in fields(cls)}
        if missing := sorted(names - values.keys()):
            raise ValueError(f"expected all fields of a config, got none for {', '.join(missing)}")
        if unknown := sorted(values.keys() - names):
            raise ValueError(f"expected only fields of a config, got also {', '.join(unknown)}")
        return cls(**values)


CHOICES = {
    "norm": ("layer", "rms"),
    "position": ("learned", "rotary"),
    "activation": ("gelu", "gelu_erf", "relu2"),
    "initialization": ("gpt2", "zero"),
}


def _gpt2(layers: int, heads: int, width: int) -> Config:
    """Return a model of Radford et al. 2019, table 2, with the heads of the released one."""
    return Config(50257, 1024, layers, heads, width)


def _gpt3(layers: int, heads: int, width: int) -> Config:
    """Return a model of Brown et al. 2020, table 2.1."""
    return Config(50257, 2048, layers, heads, width)


# What learns most in a given time on a CPU, found by measuring.
_QUICK: dict[str, Any] = {
    "bias": False,
    "position": "rotary",
    "activation": "relu2",
    "tied": False,
    "initialization": "zero",
}

PRESETS = {
    "page": Config(65, 64, 4, 4, 64, **_QUICK),
    "nanogpt-cpu": Config(65, 64, 4, 4, 128, bias=False, activation="gelu_erf"),
    "fast-cpu": Config(65, 128, 4, 3, 96, **_QUICK),
    "gpu": Config(65, 256, 6, 6, 384, dropout=0.2, bias=False),
    "gpt2": _gpt2(12, 12, 768),
    "gpt2-medium": _gpt2(24, 16, 1024),
    "gpt2-large": _gpt2(36, 20, 1280),
    "gpt2-xl": _gpt2(48, 25, 1600),
    "gpt3-125m": _gpt3(12, 12, 768),
    "gpt3-350m": _gpt3(24, 16, 1024),
    "gpt3-760m": _gpt3(24, 16, 1536),
    "gpt3-1.3b": _gpt3(24, 16, 2048),
    "gpt3-2.7b": _gpt3(32, 32, 2560),
    "gpt3-6.7b": _gpt3(32, 32, 4096),
    "gpt3-13b": _gpt3(40, 40, 5120),
    "gpt3": _gpt3(96, 96, 12288),
}  # fmt: skip


def preset(name: str, **changes: Any) -> Config:
    """Return a config by its name, with some fields changed.

    "page" is small enough to live in a page of the book. "nanogpt-cpu" and "gpu" have the sizes of
    nanoGPT's two settings for one text (Karpathy 2022). "fast-cpu" learns more than the former in
    the same time; it and "page" have each choice that lowered the loss there. The names
    from "gpt2" to "gpt2-xl" are those of Radford et al. 2019, table 2, which does not give the
    heads: they are those of the released models. The names that begin with "gpt3" are those of
    Brown et al. 2020, table 2.1.

    Parameters
    ----------
    name : str
        A key of ``PRESETS``.
    **changes
        Fields of :class:`Config`.

    Returns
    -------
    Config
        Frozen.

    Raises
    ------
    ValueError
        If there is no preset of this name, no field of a changed name, or a change does not fit.

    Notes
    -----
    Two rows of GPT-3's table contradict themselves. The model of 1.3e9 parameters is printed with
    24 heads of 128 numbers, which is not its width of 2048: we take 16 heads. The model of 13e9 is
    printed with a width of 5140, which is not 40 heads of 128: we take 5120. GPT-3's layers also
    alternate between dense and banded attention; here all are dense, which changes no parameter.

    Examples
    --------
    >>> preset("gpt3").width
    12288
    >>> preset("page", vocabulary=80).vocabulary
    80
    """
    if name not in PRESETS:
        raise ValueError(f"expected one of {', '.join(map(repr, PRESETS))}, got name={name!r}")
    if unknown := sorted(changes.keys() - {field.name for field in fields(Config)}):
        raise ValueError(f"expected only fields of a config, got also {', '.join(unknown)}")
    return replace(PRESETS[name], **changes)
