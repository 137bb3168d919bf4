r"""A GPT from its parts: attention, the block, the model, and a cache to write with.

Shapes are in the comments: B texts of T tokens; V tokens in the vocabulary; D numbers describe a
token; H heads of D_q = D / H numbers each; L blocks. In :func:`attention`, S keys meet T queries.
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from udl._evaluating import evaluating
from udl.gpt.config import Config

EPSILON = 1e-5  # what norms add to the variance, or to the mean square


def causal_mask(
    T: int, S: int, dtype: torch.dtype | None = None, device: torch.device | None = None
) -> Float[Tensor, "T S"]:
    """Return what to add to scores such that no query sees a later key.

    Parameters
    ----------
    T : int
        Queries: those of the last T of S tokens.
    S : int
        Keys, at least T.
    dtype, device
        Of the scores.

    Returns
    -------
    tensor of shape (T, S)
        Minus infinity where the key is later than the query, whose exponential is zero; else zero.

    Raises
    ------
    ValueError
        If there are more queries than keys.

    Examples
    --------
    >>> causal_mask(2, 3)
    tensor([[0., 0., -inf],
            [0., 0., 0.]])
    """
    if T > S:
        raise ValueError(f"expected at most as many queries as keys, got T={T}, S={S}")
    return torch.full((T, S), -math.inf, dtype=dtype, device=device).triu(S - T + 1)


def attention(
    q: Float[Tensor, "B H T D_q"],
    k: Float[Tensor, "B H S D_q"],
    v: Float[Tensor, "B H S D_q"],
    *,
    causal: bool = True,
) -> tuple[Float[Tensor, "B H T D_q"], Float[Tensor, "B H T S"]]:
    r"""Return the outputs of attention, and the weights behind them, written out.

    .. math::
        A = \operatorname{softmax}(Q K^T / \sqrt{D_q}), \qquad O = A V

    Parameters
    ----------
    q, k, v : tensors of shapes (B, H, T, D_q), (B, H, S, D_q), (B, H, S, D_q)
        Queries, keys and values, one of each for a token and a head.
    causal : bool
        Whether a query may see only its own token and earlier ones. The queries are those of the
        last T of the S tokens.

    Returns
    -------
    tensor of shape (B, H, T, D_q), tensor of shape (B, H, T, S)
        Outputs; weights, whose rows sum to one.

    Raises
    ------
    ValueError
        If it is causal, and there are more queries than keys.

    References
    ----------
    Vaswani et al. 2017, section 3.2; UDL sections 12.2, 12.3.2 (scaling) and 12.7 (mask).

    Examples
    --------
    >>> q = k = torch.zeros(1, 1, 2, 4)
    >>> v = torch.tensor([[[[2.0], [4.0]]]]).expand(1, 1, 2, 4)
    >>> out, weights = attention(q, k, v)
    >>> weights[0, 0], out[0, 0, :, 0]
    (tensor([[1.0000, 0.0000],
            [0.5000, 0.5000]]), tensor([2., 3.]))
    """
    T, S, D_q = q.shape[-2], k.shape[-2], q.shape[-1]
    scores = (q / math.sqrt(D_q)) @ k.transpose(-2, -1)  # (B, H, T, S)
    if causal:
        scores = scores + causal_mask(T, S, scores.dtype, q.device)  # (B, H, T, S) + (T, S)
    weights = scores.softmax(dim=-1)  # (B, H, T, S)
    return weights @ v, weights  # (B, H, T, D_q)


def gather(
    q: Float[Tensor, "B H T D_q"],
    k: Float[Tensor, "B H S D_q"],
    v: Float[Tensor, "B H S D_q"],
    dropout: float | int,
) -> Float[Tensor, "B H T D_q"]:
    """Return the outputs of causal attention by what is fastest for these tensors.

    PyTorch's ``scaled_dot_product_attention`` does not store the weights. But where a processor
    trains in 16 bits, its backward pass is slow, and what is written out above is faster.
    """
    T, S = q.shape[-2], k.shape[-2]
    if v.device.type == "cpu" and v.dtype == torch.bfloat16 and v.requires_grad and not dropout:
        return attention(q, k, v)[0]
    masked = 1 < T != S  # one query sees all keys
    mask = causal_mask(T, S, q.dtype, q.device) if masked else None
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=1 < T == S, dropout_p=dropout
    )


class Rotation(nn.Module):
    """Rotary positions: the numbers i and i + D_q/2 of a query or key turn by an angle together.

    The angle is the position times 10000^(-2i/D_q). So a query and a key that are n tokens apart
    have the same product wherever in the text they are (Su et al. 2021).
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: Config) -> None:
        super().__init__()
        shape = (config.context, config.head_width // 2)
        self.register_buffer("cos", torch.empty(shape), persistent=False)  # (context, D_q/2)
        self.register_buffer("sin", torch.empty(shape), persistent=False)  # (context, D_q/2)
        self.fill()

    @torch.no_grad()
    def fill(self) -> None:
        """Compute the tables, on the device where they are."""
        context, pairs = self.cos.shape
        pair = torch.arange(pairs, device=self.cos.device) / pairs  # (D_q/2,)
        position = torch.arange(context, device=self.cos.device)[:, None]  # (context, 1)
        angles = position * 10000.0**-pair  # (context, D_q/2)
        self.cos.copy_(angles.cos())
        self.sin.copy_(angles.sin())

    def forward(self, x: Float[Tensor, "*N T D_q"], start: int) -> Float[Tensor, "*N T D_q"]:
        """Turn the queries or keys of the T tokens from position `start` on."""
        T = x.shape[-2]
        cos = self.cos[start : start + T].to(x.dtype)  # (T, D_q/2)
        sin = self.sin[start : start + T].to(x.dtype)  # (T, D_q/2)
        a, b = x.chunk(2, dim=-1)  # (..., T, D_q/2) each
        return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)  # (..., T, D_q)


class Attention(nn.Module):
    """Causal attention with H heads: each token gathers from the tokens up to itself."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.config, self.layer = config, layer
        self.qkv = nn.Linear(config.width, 3 * config.width, bias=config.bias)
        self.out = nn.Linear(config.width, config.width, bias=config.bias)
        self.rotate = Rotation(config) if config.position == "rotary" else None
        self.dropout = nn.Dropout(config.dropout)

    def heads(
        self, x: Float[Tensor, "B T D"], start: int = 0
    ) -> tuple[Float[Tensor, "B H T D_q"], Float[Tensor, "B H T D_q"], Float[Tensor, "B H T D_q"]]:
        """Return the queries, keys and values of tokens from position `start` on."""
        qkv = self.qkv(x).unflatten(-1, (3, -1, self.config.head_width))  # (B, T, 3, H, D_q)
        qkv = qkv.permute(2, 0, 3, 1, 4)  # (3, B, H, T, D_q)
        qk, v = qkv[:2], qkv[2]  # (2, B, H, T, D_q), (B, H, T, D_q)
        if self.config.qk_norm:
            qk = F.rms_norm(qk, qk.shape[-1:], eps=EPSILON)  # (2, B, H, T, D_q)
        if self.rotate is not None:
            qk = self.rotate(qk, start)  # (2, B, H, T, D_q)
        q, k = qk  # (B, H, T, D_q) each
        return q, k, v

    def forward(
        self, x: Float[Tensor, "B T D"], cache: "Cache | None" = None
    ) -> Float[Tensor, "B T D"]:
        """Gather from the tokens before; `cache` holds those that came before `x`."""
        q, k, v = self.heads(x, cache.length if cache is not None else 0)  # (B, H, T, D_q) each
        if cache is not None:
            k, v = cache.append(self.layer, k, v)  # (B, H, S, D_q) each
        dropout = self.dropout.p if self.training else 0.0
        gathered = gather(q, k, v, dropout)  # (B, H, T, D_q)
        side_by_side = gathered.transpose(1, 2).flatten(2)  # (B, T, D)
        out: Tensor = self.dropout(self.out(side_by_side))  # (B, T, D)
        return out


class MLP(nn.Module):
    """Two layers that work on each token by itself: up to 4 D numbers, and down again."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.activation = config.activation
        self.up = nn.Linear(config.width, 4 * config.width, bias=config.bias)
        self.down = nn.Linear(4 * config.width, config.width, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Return what the two layers make of each token."""
        h = self.up(x)  # (B, T, 4 D)
        if self.activation == "gelu":
            h = F.gelu(h, approximate="tanh")  # (B, T, 4 D)
        elif self.activation == "gelu_erf":
            h = F.gelu(h)  # (B, T, 4 D)
        else:
            h = F.relu(h)  # (B, T, 4 D)
            h = h * h  # (B, T, 4 D), and quicker backward than a power
        out: Tensor = self.dropout(self.down(h))  # (B, T, D)
        return out


class RMSNorm(nn.RMSNorm):
    """The norm of PyTorch, with a gain that follows a stream in 16 bits."""

    def forward(self, x: Float[Tensor, "*N D"]) -> Float[Tensor, "*N D"]:
        """Divide by the root of the mean square, and multiply by the gain."""
        return F.rms_norm(x, x.shape[-1:], self.weight.to(x.dtype), self.eps)


def norm(config: Config) -> nn.LayerNorm | RMSNorm:
    """Return a norm of D numbers, of the config's kind."""
    if config.norm == "layer":
        return nn.LayerNorm(config.width, eps=EPSILON, bias=config.bias)
    return RMSNorm(config.width, eps=EPSILON)


class Block(nn.Module):
    """Attention, then the MLP. Each reads a normed copy of the stream, and adds to the stream."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.norm1, self.attention = norm(config), Attention(config, layer)
        self.norm2, self.mlp = norm(config), MLP(config)

    def forward(
        self, x: Float[Tensor, "B T D"], cache: "Cache | None" = None
    ) -> Float[Tensor, "B T D"]:
        """Return the stream after the block."""
        x = x + self.attention(self.norm1(x), cache)  # (B, T, D): between tokens
        x = x + self.mlp(self.norm2(x))  # (B, T, D): within each token
        return x


class GPT(nn.Module):
    """A model of the next token: embedding, blocks, and a head that scores the vocabulary.

    Parameters
    ----------
    config : Config
        Shape and choices.

    References
    ----------
    Radford et al. 2019; UDL section 12.7.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = GPT(Config(vocabulary=5, context=8, layers=2, heads=2, width=16))
    >>> logits = model(torch.tensor([[0, 3, 1]]))
    >>> logits.shape
    torch.Size([1, 3, 5])
    >>> sum(p.numel() for p in model.parameters())
    6800
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocabulary, config.width)
        self.positions: nn.Embedding | None = None
        if config.position == "learned":
            self.positions = nn.Embedding(config.context, config.width)
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.layers))
        self.norm = norm(config)
        self.head = nn.Linear(config.width, config.vocabulary, bias=False)
        self.initialize()

    @torch.no_grad()
    def initialize(self) -> None:
        r"""Draw the parameters anew; biases become zero, and the gains of norms one.

        As GPT-2 did: matrices and embeddings have a standard deviation of 0.02. (GPT-2 drew its
        positions with 0.01; here they are like the rest.) What a block adds to the stream is
        divided by :math:`\sqrt{2L}`, as 2 L parts add to it (Radford et al. 2019, section 2.3).

        From zero: a block adds nothing at first, and a head of its own finds all tokens equally
        likely. The other matrices keep half the size of what they are given, and the embedding, if
        the head does not share it, has a standard deviation of one.

        Also ties the head, if it shares the embedding's matrix, and fills the tables of rotary
        positions. Both are lost where a model from the meta device gets memory: after
        ``to_empty`` call this, also if weights are loaded next.
        """
        if self.config.tied:
            self.head.weight = self.embed.weight
        for part in self.modules():
            if isinstance(part, Rotation):
                part.fill()
        D, L, zero = self.config.width, self.config.layers, self.config.initialization == "zero"
        for name, parameter in self.named_parameters():
            adds = name.endswith(("attention.out.weight", "mlp.down.weight"))
            if parameter.ndim == 1:
                parameter.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
            elif not zero:
                parameter.normal_(std=0.02 / math.sqrt(2 * L) if adds else 0.02)
            elif adds or name.startswith("head"):
                parameter.zero_()
            elif name.startswith("blocks"):
                parameter.normal_(std=0.5 / math.sqrt(D))
            else:
                parameter.normal_(std=0.02 if self.config.tied else 1.0)

    def stream(self, tokens: Int[Tensor, "B T"], start: int = 0) -> Float[Tensor, "B T D"]:
        """Return what enters the first block: the token's vector, plus its position's."""
        x: Tensor = self.embed(tokens)  # (B, T, D)
        if self.positions is not None:
            x = x + self.positions.weight[start : start + tokens.shape[1]]  # (B, T, D) + (T, D)
        if _autocast(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            x = x.to(dtype)  # the stream in 16 bits too: less to move
        x = self.dropout(x)  # (B, T, D)
        return x

    def forward(
        self, tokens: Int[Tensor, "B T"], cache: "Cache | None" = None
    ) -> Float[Tensor, "B T V"]:
        """Return the logits of the token that follows each token.

        Parameters
        ----------
        tokens : tensor of shape (B, T)
            Integers below the vocabulary.
        cache : Cache
            Holds the tokens before these, and takes these up too.

        Returns
        -------
        tensor of shape (B, T, V)
            Logits; those of a token depend on no later one.

        Raises
        ------
        ValueError
            If there are more tokens than the context has room for, or the cache is for another
            number of texts, another config or another type of numbers.
        """
        _fits(self, tokens, cache)
        start = 0 if cache is None else cache.length
        x = self.stream(tokens, start)  # (B, T, D)
        for block in self.blocks:
            x = block(x, cache)  # (B, T, D)
        if cache is not None:
            cache.length += tokens.shape[1]
        logits: Tensor = self.head(self.norm(x))  # (B, T, V)
        return logits


def _autocast(device: str) -> bool:
    """Return whether PyTorch chooses the type of numbers for each operation, on this device."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _fits(model: GPT, tokens: Tensor, cache: "Cache | None") -> None:
    """Refuse tokens that have no place in the context or the cache, and a cache of no use."""
    config, weight = model.config, model.embed.weight
    if tokens.ndim != 2:
        raise ValueError(f"expected tokens of shape (B, T), got shape {tuple(tokens.shape)}")
    B, T = tokens.shape
    start = 0 if cache is None else cache.length
    if start + T > config.context:
        before = f" after {start} in the cache" if start else ""
        raise ValueError(f"expected at most context={config.context} tokens, got {T}{before}")
    if cache is None:
        return
    if cache.keys.shape[1] != B:
        raise ValueError(f"expected {cache.keys.shape[1]} texts as in the cache, got {B}")
    shape = (config.layers, B, config.heads, config.context, config.head_width)
    if cache.keys.shape != shape:
        raise ValueError(
            f"expected a cache for this config, of shape {shape}, got {tuple(cache.keys.shape)}"
        )
    if cache.keys.dtype != weight.dtype and not _autocast(weight.device.type):
        raise ValueError(
            f"expected a cache of {weight.dtype} as the model, got {cache.keys.dtype}"
        )


class Cache:
    """Keys and values of tokens that the model has read, so that it need not read them again.

    ``model(tokens, cache)`` gives the logits of `tokens` as if the tokens before stood in front of
    them, and takes them up. The cache is for writing, not for training: no gradient flows through.

    Parameters
    ----------
    config : Config
        Of the model.
    batch : int
        Texts, B.
    device, dtype
        Of the model's parameters.

    Examples
    --------
    >>> config = Config(vocabulary=5, context=8, layers=2, heads=2, width=16)
    >>> model, tokens = GPT(config), torch.tensor([[0, 3, 1]])
    >>> cache = Cache(config)
    >>> one_by_one = [model(tokens[:, t : t + 1], cache) for t in range(3)]
    >>> torch.allclose(torch.cat(one_by_one, dim=1), model(tokens), atol=1e-6)
    True
    >>> cache.length
    3
    """

    def __init__(
        self,
        config: Config,
        batch: int = 1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        shape = (config.layers, batch, config.heads, config.context, config.head_width)
        self.keys = torch.empty(shape, device=device, dtype=dtype)  # (L, B, H, context, D_q)
        self.values = torch.empty(shape, device=device, dtype=dtype)  # (L, B, H, context, D_q)
        self.length = 0

    def reset(self) -> None:
        """Forget all tokens."""
        self.length = 0

    def append(
        self, layer: int, k: Float[Tensor, "B H T D_q"], v: Float[Tensor, "B H T D_q"]
    ) -> tuple[Float[Tensor, "B H S D_q"], Float[Tensor, "B H S D_q"]]:
        """Take up a block's keys and values of T new tokens; return those of all S so far.

        The length stays, for the other blocks: the model counts the tokens once all are done.
        """
        S = self.length + k.shape[-2]
        self.keys[layer, :, :, self.length : S] = k.detach()
        self.values[layer, :, :, self.length : S] = v.detach()
        return self.keys[layer, :, :, :S], self.values[layer, :, :, :S]


@torch.no_grad()
def attention_maps(model: GPT, tokens: Int[Tensor, "B T"]) -> Float[Tensor, "L B H T T"]:
    """Return the attention weights of every block and head.

    Parameters
    ----------
    model : GPT
        In any mode; it reads in evaluation mode, and has its mode back afterwards.
    tokens : tensor of shape (B, T)
        What it reads.

    Returns
    -------
    tensor of shape (L, B, H, T, T)
        Row t tells where token t gathers from; it sums to one. No gradient flows through.

    Raises
    ------
    ValueError
        If there are more tokens than the context has room for.

    Examples
    --------
    >>> model = GPT(Config(vocabulary=5, context=8, layers=2, heads=4, width=16))
    >>> attention_maps(model, torch.tensor([[0, 3, 1]])).shape
    torch.Size([2, 1, 4, 3, 3])
    """
    _fits(model, tokens, None)
    maps = []
    with evaluating(model):
        x = model.stream(tokens)  # (B, T, D)
        for block in model.blocks:
            assert isinstance(block, Block)
            q, k, v = block.attention.heads(block.norm1(x))  # (B, H, T, D_q) each
            maps.append(attention(q, k, v)[1])  # (B, H, T, T)
            x = block(x)  # (B, T, D)
    return torch.stack(maps)  # (L, B, H, T, T)


def next_token_loss(
    logits: Float[Tensor, "B T V"], targets: Int[Tensor, "B T"]
) -> Float[Tensor, ""]:
    """Return the cross-entropy of the tokens that follow, in nats, averaged over all of them.

    Parameters
    ----------
    logits : tensor of shape (B, T, V)
        From the model.
    targets : tensor of shape (B, T)
        The token that followed each token.

    Returns
    -------
    tensor of one number
        Mean of -log p(target). The logarithm of V is what a model without a clue has.

    Raises
    ------
    ValueError
        If there is not one target for each row of the logits, or none at all.

    Examples
    --------
    >>> next_token_loss(torch.zeros(1, 3, 8), torch.tensor([[0, 5, 7]]))  # log 8
    tensor(2.0794)
    """
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            "expected one target for each row of the logits, "
            f"got targets.shape={tuple(targets.shape)}, logits.shape={tuple(logits.shape)}"
        )
    if not targets.numel():
        raise ValueError(f"expected at least one token, got targets.shape={tuple(targets.shape)}")
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # a sum needs 32 bits
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten().long())
