"""Training a GPT on a text: windows, a recipe, and the loop of :mod:`udl.train`."""

import dataclasses
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from udl import train
from udl._evaluating import evaluating
from udl.gpt._run import begin, facts_of, read
from udl.gpt.config import Config
from udl.gpt.model import GPT, next_token_loss
from udl.gpt.recipe import Recipe, optimizer_for, quicker_on_cpu
from udl.gpt.tokenizer import Characters, Tokenizer, from_dict
from udl.gpt.windows import Windows, long_enough, validation_windows
from udl.train import CheckpointError, History
from udl.train._precision import choose

_Precision = Literal["float32", "bfloat16", "float16"]


class Progress(NamedTuple):
    """What a training tells at each measurement.

    ``step`` steps were taken in ``seconds``; ``train_loss`` is the mean since the measurement
    before, ``validation_loss`` that of now (NaN without validation); ``model`` is in evaluation
    mode.

    Examples
    --------
    >>> Progress._fields
    ('step', 'train_loss', 'validation_loss', 'seconds', 'model')
    """

    step: int
    train_loss: float
    validation_loss: float
    seconds: float
    model: GPT


class Trained(NamedTuple):
    """A trained model, and all that it takes to use it or train it again.

    ``precision`` is the one that was used, also where that of the recipe is "auto".

    Examples
    --------
    >>> Trained._fields
    ('model', 'tokenizer', 'history', 'config', 'recipe', 'precision')
    """

    model: GPT
    tokenizer: Tokenizer | None
    history: History
    config: Config
    recipe: Recipe
    precision: str

    @property
    def steps(self) -> NDArray[Any]:
        """Steps taken at each row of the history."""
        every, last = self.recipe.evaluate_every, self.recipe.steps
        return np.array([min(epoch * every, last) for epoch in self.history["epoch"]])


def fit(
    config: Config,
    text: str | Int[Tensor, " N"],
    recipe: Recipe,
    *,
    tokenizer: Tokenizer | None = None,
    validation: float | None = 0.1,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: torch.device | str | None = None,
    progress: bool | None = None,
    on_evaluation: Callable[[Progress], object] | None = None,
) -> Trained:
    """Train a GPT on a text.

    Parameters
    ----------
    config : Config
        Of the model.
    text : str or tensor of shape (N,)
        What to learn: a string, or its tokens.
    recipe : Recipe
        How to train.
    tokenizer : Tokenizer, optional
        For a string; None takes its characters, and as many of them as there are for
        ``config.vocabulary``.
    validation : float, optional
        Share of the text, at its end, that is kept for measuring; None keeps nothing.
    folder : path, optional
        For ``run.json`` and the checkpoints, written at each measurement.
    resume : bool
        Go on from the folder's last checkpoint; if there is none, begin. Without it, a folder that
        holds a training is refused.
    device : torch.device or str, optional
        Where to train; None is a CUDA GPU if there is one, else the CPU.
    progress : bool, optional
        Show a bar; None shows it on a terminal only.
    on_evaluation : function of a Progress, optional
        Called at each measurement. What it draws from torch's generator does not change the
        training.

    Returns
    -------
    Trained
        With the weights of the last step, in evaluation mode.

    Raises
    ------
    ValueError
        If the text is too short, or has tokens that the model has not.
    NonFiniteLoss
        If the loss is NaN or infinite.
    CheckpointError
        If the folder can't be written, holds a training and `resume` is not set, or is of another
        text, config or recipe.
    TypeError
        If the tokens are no whole numbers.

    Notes
    -----
    On a CPU, two trainings of one precision give the same bits, also if one was killed and
    resumed: see :func:`udl.train.fit`. With ``precision="auto"`` it is measured
    (``recipe.quicker_on_cpu``), and two trainings may choose differently; what is
    resumed keeps the first one's. With a folder, Ctrl-C saves at the end of the step, and `resume`
    goes on from there.

    Examples
    --------
    >>> recipe = Recipe(steps=60, batch=8, alpha=1e-2, evaluate_every=30)
    >>> config = Config(context=8, layers=1, heads=2, width=16)
    >>> trained = fit(config, "abcd" * 100, recipe)
    >>> trained.config.vocabulary, trained.steps.tolist()
    (4, [30, 60])
    >>> bool(trained.history["validation_loss"][-1] < 0.1)
    True
    """
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    config, tokenizer, tokens = _read(config, text, tokenizer)
    learned, kept = parts(tokens.to(place), config.context, validation)
    if resume and folder is None:
        raise ValueError("expected a folder to resume from, got folder=None")
    target = None if folder is None else Path(folder)
    precision = _precision(recipe, config, place)
    if target is not None:
        facts = facts_of(config, tokenizer, recipe, tokens, validation)
        mine = {"device": place.type, "precision": precision}
        theirs = begin(target, facts | {"measured": mine}, resume=resume)["measured"]
        if theirs["device"] == place.type:
            precision = theirs["precision"]

    windows = Windows(
        learned,
        config.context,
        batch=recipe.batch,
        steps=recipe.evaluate_every * recipe.accumulate,
        seed=recipe.seed,
        total=recipe.steps * recipe.accumulate,
    )
    cuda = [place] if place.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.manual_seed(recipe.seed)
        model = GPT(config).to(place)
        optimizer = optimizer_for(model, dataclasses.replace(recipe, precision=precision))
        if recipe.compile:
            model.compile()

        def told(history: History) -> None:
            if on_evaluation is None:
                return
            trained = Trained(model, tokenizer, history, config, recipe, precision)
            lost = history["validation_loss"][-1] if kept is not None else math.nan
            now = Progress(
                step=int(trained.steps[-1]),
                train_loss=float(history["train_loss"][-1]),
                validation_loss=float(lost),
                seconds=float(history["seconds"].sum()),
                model=model,
            )
            with torch.random.fork_rng(cuda), evaluating(model):
                on_evaluation(now)

        history = train.fit(
            model,
            next_token_loss,
            windows,
            epochs=-(-recipe.steps // recipe.evaluate_every),
            optimizer=optimizer,
            validation=kept,
            scheduler=LambdaLR(optimizer, lambda step: recipe.rate(step)),
            schedule="batch",
            clip=recipe.clip,
            accumulate=recipe.accumulate,
            precision=precision,
            checkpoint=target,
            resume=resume,
            progress=progress,
            after_epoch=told,
        )
    return Trained(model, tokenizer, history, config, recipe, precision)


def load(folder: str | os.PathLike[str], which: Literal["best", "last"] = "best") -> Trained:
    """Read a trained model.

    Parameters
    ----------
    folder : path
        What :func:`fit` was given.
    which : str
        ``"best"`` measurement, or the ``"last"`` weights; before the first measurement there are
        only these.

    Returns
    -------
    Trained
        On the CPU, in evaluation mode, with the history up to that measurement.

    Raises
    ------
    CheckpointError
        If there is none, or it is damaged or of another kind.

    Examples
    --------
    >>> load("nothing")
    Traceback (most recent call last):
        ...
    udl.train._files.CheckpointError: expected a trained model, got no file nothing/run.json
    """
    path = Path(folder) / "run.json"
    if not path.is_file():
        raise CheckpointError(f"expected a trained model, got no file {path}")
    facts = read(path)
    try:
        config = Config.from_dict(facts["config"])
        recipe = Recipe.from_dict(facts["recipe"])
        tokenizer = None if facts["tokenizer"] is None else from_dict(facts["tokenizer"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is damaged: {error}") from error
    with torch.random.fork_rng([]):
        model = GPT(config)
    if which == "best" and not (path.parent / "best.pt").is_file():
        which = "last"
    checkpoint = train.restore(model, folder, which)
    history, precision = checkpoint.history, facts["measured"]["precision"]
    return Trained(model.eval(), tokenizer, history, config, recipe, precision)


def _precision(recipe: Recipe, config: Config, place: torch.device) -> _Precision:
    """Return the precision of a recipe on a device, or refuse one that the device has not."""
    if recipe.precision == "auto" and place.type == "cpu":
        return quicker_on_cpu(recipe.batch * config.context, config.width)
    dtype = choose(recipe.precision, place)
    names: dict[torch.dtype | None, _Precision]
    names = {None: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
    return names[dtype]


def _read(
    config: Config, text: str | Tensor, tokenizer: Tokenizer | None
) -> tuple[Config, Tokenizer | None, Tensor]:
    """Return the tokens of a text, and a config with the vocabulary for them."""
    if isinstance(text, str):
        if not text:
            raise ValueError("expected a text, got an empty one")
        if tokenizer is None:
            tokenizer = Characters(text)
            config = dataclasses.replace(config, vocabulary=tokenizer.size)
        tokens = torch.tensor(tokenizer.encode(text))
    elif isinstance(text, Tensor):
        if text.is_floating_point() or text.is_complex() or text.dtype == torch.bool:
            raise TypeError(f"expected tokens that are integers, got text.dtype={text.dtype}")
        tokens = text.long()
    else:
        got = type(text).__name__
        raise TypeError(f"expected a string or a tensor of tokens, got text of type {got}")
    if tokens.ndim != 1 or len(tokens) == 0:
        raise ValueError(f"expected tokens of shape (N,), got shape {tuple(tokens.shape)}")
    if int(tokens.min()) < 0:
        raise ValueError(f"expected tokens of at least 0, got {int(tokens.min())}")
    size = max(tokenizer.size if tokenizer is not None else 0, int(tokens.max()) + 1)
    if size > config.vocabulary:
        raise ValueError(
            f"expected a model for all {size} tokens, got config.vocabulary={config.vocabulary}"
        )
    return config, tokenizer, tokens


def parts(
    tokens: Tensor, context: int, validation: float | None
) -> tuple[Tensor, train.Batches | None]:
    """Split a text: what is learned, and the windows that are measured."""
    if validation is None:
        long_enough(tokens, context)
        return tokens, None
    if not 0 < validation < 1:
        raise ValueError(f"expected a share between 0 and 1, got validation={validation}")
    cut = len(tokens) - math.ceil(len(tokens) * validation - 1e-9)  # as in data.Text.split
    long_enough(tokens[:cut], context, "training tokens")
    long_enough(tokens[cut:], context, "validation tokens")
    x, y = validation_windows(tokens[cut:], context)
    size = max(1, 8192 // context)  # more at once would not stay in a processor's cache
    return tokens[:cut], train.Batches(x, y, size, shuffle=False)
