"""Writing with a trained model: from logits to probabilities, and from those to a text."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from udl._check import count
from udl._evaluating import evaluating
from udl.gpt.model import GPT, Cache
from udl.gpt.reader import reader

Prompt = Sequence[int] | Int[Tensor, " T"]
SMALL = 512  # models up to this width write fastest with one thread


def shape(
    logits: Float[Tensor, "*rest V"],
    *,
    temperature: float | int = 1.0,
    top_k: int | None = None,
    top_p: float | int | None = None,
) -> Float[Tensor, "*rest V"]:
    r"""Return the probabilities to draw the next token from.

    .. math:: p_v = \frac{\exp(z_v / \tau)}{\sum_w \exp(z_w / \tau)}

    with logits z and temperature :math:`\tau`. Then `top_k` and after it `top_p` set the
    probabilities of unlikely tokens to zero, and those that are left are divided by their sum.

    Parameters
    ----------
    logits : tensor of shape (..., V)
        What the model returns; an entry of minus infinity rules a token out.
    temperature : float
        Below 1 the likely tokens become likelier, above 1 all become more alike. 0 is greedy: the
        most likely token gets probability 1.
    top_k : int, optional
        Keep the k most likely tokens.
    top_p : float, optional
        Of the tokens that are left, keep as few as it takes for their probabilities to sum to at
        least this, the most likely first.

    Returns
    -------
    tensor of shape (..., V)
        Nonnegative, each row sums to one; in single precision at least.

    Raises
    ------
    ValueError
        If the temperature is negative or not finite, top_k is below 1, top_p is not in (0, 1],
        there are no tokens (V = 0), or a row of the logits has NaN, plus infinity, or nothing but
        minus infinity.

    Notes
    -----
    Of tokens with equal logits the one with the lower number comes first, so exactly
    min(top_k, V) tokens are kept, also where the k-th and the next are equally likely.

    References
    ----------
    UDL section 12.7; Fan et al. 2018 (top-k); Holtzman et al. 2020 (top-p).

    Examples
    --------
    >>> logits = torch.tensor([0.5, 0.3, 0.2]).log()
    >>> shape(logits, temperature=0.5)
    tensor([0.6579, 0.2368, 0.1053])
    >>> shape(logits, top_k=2)
    tensor([0.6250, 0.3750, 0.0000])
    >>> shape(logits, top_p=0.4), shape(logits, temperature=0)
    (tensor([1., 0., 0.]), tensor([1., 0., 0.]))
    """
    _check_choices(temperature, top_k, top_p)
    if not logits.ndim or not logits.shape[-1]:
        got = tuple(logits.shape)
        raise ValueError(f"expected logits of at least one token, got logits.shape={got}")
    if logits.dtype not in (torch.float32, torch.float64):
        logits = logits.float()
    highest = logits.amax(-1, keepdim=True)  # (..., 1)
    if not highest.isfinite().all():
        raise ValueError(
            "expected in each row of the logits numbers, at least one of them finite, "
            f"got a row whose largest is {highest[~highest.isfinite()][0].item()}"
        )
    if temperature == 0:
        greedy = torch.zeros_like(logits)
        return greedy.scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    # Differences to the highest are never positive, so no exponential is too large.
    tiny = torch.finfo(logits.dtype).tiny
    p = ((logits - highest) / max(temperature, tiny)).softmax(-1)  # (..., V)
    cut_k = top_k is not None and top_k < p.shape[-1]
    if not cut_k and (top_p is None or top_p == 1):
        return p
    # By the logits, which can differ where the probabilities no longer do.
    tokens = logits.argsort(dim=-1, descending=True, stable=True)  # (..., V)
    likely = p.gather(-1, tokens)  # (..., V)
    if cut_k:
        likely[..., top_k:] = 0
    if top_p is not None and top_p < 1:
        before = likely.cumsum(-1).roll(1, -1)  # (..., V): the sum of those that come first
        before[..., 0] = 0
        total = likely.sum(-1, keepdim=True)  # (..., 1)
        likely = likely.where(before < top_p * total, 0)
    likely /= likely.sum(-1, keepdim=True)
    return torch.empty_like(p).scatter_(-1, tokens, likely)


def generate(
    model: GPT,
    prompt: Prompt,
    length: int,
    *,
    temperature: float | int = 1.0,
    top_k: int | None = None,
    top_p: float | int | None = None,
    seed: int = 0,
    cache: bool = True,
) -> list[int]:
    """Let the model go on with a text: draw a token, append it, and ask again.

    Parameters
    ----------
    model : GPT
        In any mode; it writes in evaluation mode, and has its mode back afterwards.
    prompt : list of int or tensor of shape (T,)
        Tokens to begin with, at least one and at most as many as the context holds.
    length : int
        How many tokens to write.
    temperature, top_k, top_p
        As for :func:`shape`.
    seed : int
        Of the draws. One draw a token, so a longer text begins like a shorter one.
    cache : bool
        Whether to keep the keys and values of the tokens that the model has read.

    Returns
    -------
    list of int
        The new tokens.

    Raises
    ------
    ValueError
        If an argument is out of its range, or the model's logits are not finite.
    TypeError
        If the prompt is no sequence of integers, or length no integer.

    Notes
    -----
    The model sees at most its context. Past that:

    - With the cache, which is full then, the model reads the last half of the text again, and the
      cache begins anew with it. It sees from half of the context to all of it.
    - Without the cache, the model reads the last `context` tokens for each new one.

    So for one seed both write the same tokens, up to rounding, as long as prompt and text fit into
    the context, and one token more. Past that their texts differ, and neither is more right.

    Examples
    --------
    >>> from udl.gpt.config import Config
    >>> _ = torch.manual_seed(0)
    >>> model = GPT(Config(vocabulary=5, context=8, layers=2, heads=2, width=16))
    >>> tokens = generate(model, [0, 3], 20, seed=1)
    >>> len(tokens), generate(model, [0, 3], 6, seed=1) == tokens[:6]
    (20, True)
    """
    draw = _drawing(temperature, top_k, top_p, seed)
    tokens = _write(model, _check_prompt(model, prompt, length), length, draw, cache)
    with _reading(model):
        return list(tokens)


def stream(
    model: GPT,
    prompt: Prompt,
    length: int,
    *,
    temperature: float | int = 1.0,
    top_k: int | None = None,
    top_p: float | int | None = None,
    seed: int = 0,
    cache: bool = True,
) -> Iterator[int]:
    """Return the tokens of :func:`generate` one by one, each as soon as it is drawn.

    Parameters
    ----------
    model, prompt, length, temperature, top_k, top_p, seed, cache
        As for :func:`generate`. They are checked at once.

    Returns
    -------
    iterator of int
        Whoever stops asking stops the writing.

    Notes
    -----
    Between two tokens the model is in the mode that it had before.

    Examples
    --------
    >>> from udl.gpt.config import Config
    >>> model = GPT(Config(vocabulary=5, context=8, layers=2, heads=2, width=16))
    >>> tokens = stream(model, [0, 3], 20)
    >>> [next(tokens), next(tokens)] == generate(model, [0, 3], 2)
    True
    """
    draw = _drawing(temperature, top_k, top_p, seed)
    tokens = _write(model, _check_prompt(model, prompt, length), length, draw, cache)

    def one_by_one() -> Iterator[int]:
        for _ in range(length):
            with _reading(model):
                token = next(tokens)
            yield token

    return one_by_one()


class Beam(NamedTuple):
    """What a beam search found: tokens, and the logarithm of their joint probability (nats).

    Examples
    --------
    >>> Beam([3, 1], math.log(0.5)).tokens
    [3, 1]
    """

    tokens: list[int]
    log_probability: float


def beam(model: GPT, prompt: Prompt, length: int, *, beams: int = 4) -> Beam:
    r"""Search for the most likely text of a length, with several candidates at a time.

    .. math:: \log p(t_1 \dots t_n) = \sum_i \log p(t_i \mid t_1 \dots t_{i-1})

    Each candidate goes on with each token; of all these, the `beams` most likely stay.

    Parameters
    ----------
    model : GPT
        In any mode, as for :func:`generate`.
    prompt : list of int or tensor of shape (T,)
        Tokens to begin with.
    length : int
        How many tokens to find.
    beams : int
        Candidates that stay. 1 is greedy.

    Returns
    -------
    Beam
        The best candidate. With fewer beams than there are texts, a better one can be missed.

    Raises
    ------
    ValueError, TypeError
        As for :func:`generate`.

    Notes
    -----
    The candidates are read without a cache; past the context the window slides by one token. Of
    equally likely texts the one whose tokens have the lower numbers stays.

    References
    ----------
    UDL section 12.7. Holtzman et al. 2020 show why the most likely text is a dull one.

    Examples
    --------
    >>> from udl.gpt.config import Config
    >>> _ = torch.manual_seed(0)
    >>> model = GPT(Config(vocabulary=5, context=8, layers=2, heads=2, width=16))
    >>> greedy, best = beam(model, [0, 3], 4, beams=1), beam(model, [0, 3], 4, beams=5**4)
    >>> greedy.tokens == generate(model, [0, 3], 4, temperature=0)
    True
    >>> best.log_probability > greedy.log_probability - 1e-6  # but for rounding
    True
    """
    start = _check_prompt(model, prompt, length)
    count(beams=beams)
    config = model.config
    texts = torch.tensor([start], device=model.embed.weight.device)  # (B, T), B = 1 at first
    scores = torch.zeros(1, dtype=torch.float64, device=texts.device)  # (B,)
    with _reading(model):
        for _ in range(length):
            logits = model(texts[:, -config.context :])[:, -1]  # (B, V)
            totals = scores[:, None] + logits.double().log_softmax(-1)  # (B, V)
            if totals.isnan().any():
                raise ValueError("expected finite logits, got NaN from the model")
            ordered, order = totals.flatten().sort(dim=0, descending=True, stable=True)  # (B V,)
            scores, order = ordered[:beams], order[:beams]  # (B,) each
            row, token = order // config.vocabulary, order % config.vocabulary  # (B,) each
            texts = torch.cat((texts[row], token[:, None]), dim=1)  # (B, T + 1)
    return Beam(texts[0, len(start) :].tolist(), scores[0].item())


def _write(
    model: GPT,
    prompt: list[int],
    length: int,
    draw: Callable[[Float[Tensor, " V"]], int],
    cache: bool,
) -> Iterator[int]:
    """Yield tokens; the caller sees to the mode of the model."""
    context, weight = model.config.context, model.embed.weight
    kept = Cache(model.config, device=weight.device, dtype=weight.dtype) if cache else None
    read = (lambda tokens: model(tokens)[0, -1]) if kept is None else reader(model, kept)
    text, new = list(prompt), prompt
    for _ in range(length):
        if kept is None:
            new = text[-context:]
        elif kept.length + len(new) > context:
            kept.reset()
            new = text[-((context + 1) // 2) :]
        token = draw(read(torch.tensor([new], device=weight.device)))
        text.append(token)
        new = [token]
        yield token


def _drawing(
    temperature: float | int, top_k: int | None, top_p: float | int | None, seed: int
) -> Callable[[Float[Tensor, " V"]], int]:
    """Return a function that draws a token: the first one up to which the sum of p exceeds u.

    The draws are NumPy's, on the CPU: a GPU with the same logits writes the same text.
    """
    _check_choices(temperature, top_k, top_p)
    random = np.random.default_rng(seed)

    def draw(logits: Float[Tensor, " V"]) -> int:
        p = shape(logits.cpu(), temperature=temperature, top_k=top_k, top_p=top_p)
        sums = p.numpy().cumsum(dtype=np.float64)
        return int(sums.searchsorted(random.random() * sums[-1], side="right"))

    return draw


@contextmanager
def _reading(model: GPT) -> Iterator[None]:
    """Set evaluation mode, no gradients, and for a small model one thread; then all as before.

    A token of a small model is a hundred short operations. Several threads gain nothing there, and
    wait long for each other wherever another program uses the processor.
    """
    threads = torch.get_num_threads()
    try:
        if model.config.width <= SMALL:
            torch.set_num_threads(1)
        with evaluating(model), torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(threads)


def _check_choices(temperature: float | int, top_k: int | None, top_p: float | int | None) -> None:
    if not 0 <= temperature < math.inf:
        raise ValueError(
            f"expected a finite temperature of at least 0, got temperature={temperature}"
        )
    if top_k is not None:
        count(top_k=top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"expected 0 < top_p <= 1, got top_p={top_p}")


def _check_prompt(model: GPT, prompt: Prompt, length: int) -> list[int]:
    """Return the tokens of the prompt as a list."""
    if isinstance(length, bool) or length != 0 or not isinstance(length, int | np.integer):
        count(length=length)
    if isinstance(prompt, Tensor):
        if prompt.ndim != 1:
            raise ValueError(f"expected a prompt of shape (T,), got {tuple(prompt.shape)}")
        prompt = prompt.tolist()
    tokens = list(prompt)
    config = model.config
    if not tokens:
        raise ValueError("expected a prompt of at least one token, got prompt=[]")
    for place, token in enumerate(tokens):
        if isinstance(token, bool) or not isinstance(token, int | np.integer):
            raise TypeError(f"expected a prompt of integers, got prompt[{place}]={token!r}")
        if not 0 <= token < config.vocabulary:
            raise ValueError(
                f"expected tokens from 0 to {config.vocabulary - 1}, got prompt[{place}]={token}"
            )
    if len(tokens) > config.context:
        raise ValueError(
            f"expected a prompt of at most context={config.context} tokens, "
            f"got {len(tokens)}: shorten it, for example to its end"
        )
    return tokens
