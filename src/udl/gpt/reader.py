"""Reading one more token, quickly: what the model does, without what its modules add to it.

With a cache, a token of a small model is some hundred short operations, and Python needs as long
to find the next one as the processor needs for it. Here the way through the blocks is laid out
once, before the first token. Nothing in it is new: the tests hold it against the model.
"""

from collections.abc import Callable
from functools import partial

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import module as torch_module

from udl.gpt.model import EPSILON, GPT, MLP, Attention, Block, Cache, RMSNorm, Rotation

_KNOWN = {
    *(GPT, Block, Attention, MLP, Rotation, RMSNorm),
    *(nn.ModuleList, nn.Embedding, nn.Linear, nn.LayerNorm, nn.Dropout, nn.Identity),
}
_METHODS = {"forward", "heads", "stream"}  # what an instance must not have of its own
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": partial(F.gelu, approximate="tanh"),
    "gelu_erf": F.gelu,
    "relu2": lambda h: F.relu(h).square(),
}
Read = Callable[[Int[Tensor, "1 T"]], Float[Tensor, " V"]]


def reader(model: GPT, cache: Cache) -> Read:
    """Return a function of tokens: the logits after the last of them, which the cache takes up.

    Parameters
    ----------
    model : GPT
        In evaluation mode, with the weights that it shall have: they are looked up now.
    cache : Cache
        For one text.

    Returns
    -------
    function of a tensor of shape (1, T)
        Returns the last row of ``model(tokens, cache)``, a tensor of shape (V,).

    Notes
    -----
    A model with parts of other classes, with methods of its own, or with hooks reads by itself.

    Examples
    --------
    >>> import torch
    >>> from udl.gpt.config import Config
    >>> config = Config(vocabulary=5, context=8, layers=2, heads=2, width=16)
    >>> model, tokens = GPT(config), torch.tensor([[0, 3, 1]])
    >>> with torch.inference_mode():
    ...     read = reader(model, Cache(config))
    ...     rows = [read(tokens[:, :2]), read(tokens[:, 2:])]
    ...     torch.allclose(rows[1], model(tokens)[0, -1], atol=1e-6)
    True
    """
    plain = _plain(model)
    # Not compiled either, which would be done anew for each length of a prompt.
    read_many = model.forward if plain else model
    read_one = _one(model, cache) if plain else None

    def read(tokens: Int[Tensor, "1 T"]) -> Float[Tensor, " V"]:
        full = cache.length == model.config.context  # then the model says so
        if read_one is None or tokens.shape[1] > 1 or full:
            logits: Tensor = read_many(tokens, cache)  # (1, T, V)
            return logits[0, -1]
        return read_one(tokens)

    return read


def _plain(model: GPT) -> bool:
    """Return whether the model has no part that the short way would not know of."""
    everywhere = any(getattr(torch_module, f"_global{name}") for name in _HOOKS)
    return not everywhere and all(
        type(part) in _KNOWN
        and _METHODS.isdisjoint(vars(part))
        and not any(getattr(part, name) for name in _HOOKS)
        for part in model.modules()
    )


def _linear(layer: nn.Linear) -> Callable[[Tensor], Tensor]:
    return partial(F.linear, weight=layer.weight, bias=layer.bias)


def _norm(layer: nn.LayerNorm | RMSNorm) -> Callable[[Tensor], Tensor]:
    shape, weight, eps = list(layer.normalized_shape), layer.weight, layer.eps
    if isinstance(layer, RMSNorm):  # the gain follows the stream, as in the model
        return lambda x: F.rms_norm(x, shape, weight.to(x.dtype), eps)
    return partial(
        F.layer_norm, normalized_shape=shape, weight=weight, bias=layer.bias, eps=layer.eps
    )


def _one(model: GPT, cache: Cache) -> Read:
    """Return the short way for one token."""
    config = model.config
    H, D_q = config.heads, config.head_width
    layers = []
    for block, keys, values in zip(model.blocks, cache.keys, cache.values, strict=True):
        assert isinstance(block, Block)
        gather, think = block.attention, block.mlp
        layers.append(
            (
                *(_norm(block.norm1), _linear(gather.qkv), gather.rotate, _linear(gather.out)),
                *(_norm(block.norm2), _linear(think.up), _linear(think.down), keys, values),
            )
        )
    activation = _ACTIVATIONS[config.activation]
    norm, head = _norm(model.norm), _linear(model.head)

    def read(token: Int[Tensor, "1 1"]) -> Float[Tensor, " V"]:
        n = cache.length
        x = model.stream(token, n)[0]  # (1, D)
        for norm1, qkv, rotate, out, norm2, up, down, keys, values in layers:
            heads = qkv(norm1(x)).view(3, H, 1, D_q)  # the queries, keys and values of H heads
            qk, v = heads[:2], heads[2:]  # (2, H, 1, D_q), (1, H, 1, D_q)
            if config.qk_norm:
                qk = F.rms_norm(qk, (D_q,), eps=EPSILON)  # (2, H, 1, D_q)
            if rotate is not None:
                qk = rotate(qk, n)  # (2, H, 1, D_q)
            q, k = qk[:1], qk[1:]  # (1, H, 1, D_q) each
            keys.narrow(2, n, 1).copy_(k)
            values.narrow(2, n, 1).copy_(v)
            k, v = keys.narrow(2, 0, n + 1), values.narrow(2, 0, n + 1)  # (1, H, n + 1, D_q)
            x = x + out(F.scaled_dot_product_attention(q, k, v).view(1, H * D_q))  # (1, D)
            x = x + down(activation(up(norm2(x))))  # (1, D)
        cache.length = n + 1
        return head(norm(x))[0]

    return read
