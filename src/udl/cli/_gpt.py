"""``udl gpt``: train a small GPT on a text, let it write, take it along."""

from __future__ import annotations

import codecs
import errno
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from udl.cli._interrupt import INTERRUPTED, ending_at_once
from udl.cli._shared import Failed, InOrder, Refused, line, say, shown, tell

if TYPE_CHECKING:
    import torch

    from udl.gpt import Config, Progress, Recipe, Tokenizer, Trained

PRESETS = ("page", "nanogpt-cpu", "fast-cpu", "gpu", "gpt2")


@click.group(
    name="gpt",
    cls=InOrder,
    epilog="\b\n"
    "Examples:\n"
    "  udl gpt train poems.txt --out poems\n"
    '  udl gpt sample poems --prompt "O night"\n'
    "  udl gpt export poems poems.bin",
)
def group() -> None:
    """Train a small GPT on a text, let it write, take it along."""


class _Named(click.Path):
    """A path that says where: an empty text, as of a variable that is not set, does not."""

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """Return the path."""
        if value == "":
            self.fail("expected a name, got ''", param, context)
        return super().convert(value, param, context)


_folder = _Named(file_okay=False, path_type=Path)
_which = click.option(
    "--which",
    type=click.Choice(("best", "last")),
    default="best",
    show_default=True,
    help="Weights with the lowest validation loss, or those of the last step.",
)
_device = click.option(
    "--device", metavar="DEVICE", help="cpu or cuda. [default: the GPU if there is one]"
)


def _count(
    name: str, help: str, *, least: int = 1, **more: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return an option that takes a whole number."""
    kind = click.IntRange(min=least)
    return click.option(name, type=kind, metavar="N", help=help, **more)


@group.command(
    name="train",
    epilog="\b\n"
    "Presets:\n"
    "  page         the smallest, for the processor of any computer\n"
    "  nanogpt-cpu  what nanoGPT trains without a GPU\n"
    "  fast-cpu     learns more than nanogpt-cpu in the same time\n"
    "  gpu          what nanoGPT trains on a GPU\n"
    "  gpt2         the smallest GPT-2: days, on several GPUs\n"
    "\n"
    "\b\n"
    "Examples:\n"
    "  udl gpt train poems.txt --out poems\n"
    "  udl gpt train poems.txt --out poems --resume\n"
    "  udl gpt train poems.txt --out more --preset fast-cpu --steps 3000",
)
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=_folder, required=True, help="Folder for the model; made if missing.")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    help="Size of the model, and how it is trained. [default: page]",
)
@click.option(
    "--tokens",
    default=None,
    metavar="KIND",
    help="What the model reads and writes: characters; or a number, so many tokens of a byte-pair "
    "encoding learned from the text; or gpt2. [default: characters; gpt2 for the preset gpt2]",
)
@_count("--context", "Tokens that it sees at once.")
@_count("--steps", "Steps of training.")
@_count("--batch", "Windows of text in a step.")
@_count("--every", "Steps between two measurements.")
@_count("--seed", "Of all that is random.", least=0)
@_count(
    "--sample",
    "Tokens to write at each measurement, to see it learn.",
    least=0,
    default=120,
    show_default=True,
)
@_device
@click.option("--resume", is_flag=True, help="Go on with the training in the folder.")
@click.pass_context
def _train(
    run: click.Context,
    /,
    text: Path,
    out: Path,
    preset: str | None,
    tokens: str | None,
    sample: int,
    device: str | None,
    resume: bool,
    **changes: int | None,
) -> None:
    """Train a GPT on the file TEXT, any text in UTF-8.

    The first nine tenths are learned. The last tenth is not: the validation loss tells how well
    the model predicts it, in nats a token; lower is better. At each measurement the model is
    saved, and writes a little. Options that are not given are those of the preset; with --resume,
    those of the training in the folder.

    Ctrl-C saves and ends; the same command with --resume goes on from there.
    """
    with _one_line_errors():
        import torch

        from udl import gpt
        from udl.gpt import _run
        from udl.gpt.train import parts

        place = _place(device)
        content = _text(text)
        begun = _begun(out, resume)
        before = _run.read(out / "run.json") if begun else None
        config, recipe = _plan(out, preset, changes, before)
        if tokens is None and before is not None and before["tokenizer"] is not None:
            tokenizer = gpt.tokenizer.from_dict(before["tokenizer"])
        else:
            kind = tokens or ("gpt2" if preset == "gpt2" else "characters")
            tokenizer = _tokenizer(kind, content)
        config = replace(config, vocabulary=tokenizer.size)
        ids = torch.tensor(tokenizer.encode(content))
        parts(ids, config.context, 0.1)  # refuses a short text before anything is told
        if resume and not begun:
            say(f"nothing to resume in {out}: this is the beginning")
        _announce(content, tokenizer, config, recipe, place)
        prompt = _first_tokens(tokenizer, content)
        try:
            with _taking_back(out):
                trained = gpt.fit(
                    config,
                    ids,
                    recipe,
                    tokenizer=tokenizer,
                    folder=out,
                    resume=resume,
                    device=place,
                    on_evaluation=lambda now: _report(now, recipe, tokenizer, prompt, sample),
                )
        except KeyboardInterrupt:
            click.echo("\nInterrupted.", err=True)
            if (out / "run.json").exists():
                again = ["udl", *run.find_root().obj]
                again += [] if resume else ["--resume"]
                click.echo(f"To go on: {shlex.join(again)}", err=True)
            else:
                click.echo("Nothing had begun, so there is nothing to go on from.", err=True)
            run.exit(INTERRUPTED)
        _conclude(trained, out)


@group.command(
    name="sample",
    epilog="\b\n"
    "Examples:\n"
    "  udl gpt sample poems\n"
    '  udl gpt sample poems --prompt "O night" --length 200 --temperature 0.5',
)
@click.argument("folder", type=_folder)
@click.option("--prompt", help="What the text begins with. [default: a new line]")
@_count("--length", "Tokens to write.", least=0, default=500, show_default=True)
@click.option(
    "--temperature",
    type=float,
    metavar="X",
    default=0.8,
    show_default=True,
    help="0: always the likeliest token. 1: as likely as the model says. Above: more daring.",
)
@click.option(
    "--top-k", type=int, metavar="N", help="Draw from the so many likeliest tokens only."
)
@click.option(
    "--top-p",
    type=float,
    metavar="P",
    help="Draw from the likeliest tokens that have this share together.",
)
@_count(
    "--seed",
    "Of the draws: the same seed writes the same text.",
    least=0,
    default=0,
    show_default=True,
)
@_which
@_device
def _sample(
    folder: Path,
    prompt: str | None,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    seed: int,
    which: Literal["best", "last"],
    device: str | None,
) -> None:
    """Let the model in FOLDER write, as `udl gpt train` left it there."""
    with _one_line_errors():
        from udl import gpt

        place = _place(device)
        model, tokenizer = _loaded(folder, which)
        if prompt == "":
            raise ValueError("expected a prompt of at least one character, got --prompt ''")
        start = _first_tokens(tokenizer) if prompt is None else tokenizer.encode(prompt)
        tokens = gpt.stream(
            model.to(place),
            start,
            length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        click.echo(shown(prompt or ""), nl=False)
        try:
            for piece in _pieces(tokenizer, tokens):
                click.echo(shown(piece), nl=False)
        finally:
            click.echo()


@group.command(name="export", epilog="\b\nExamples:\n  udl gpt export poems poems.bin")
@click.argument("folder", type=_folder)
@click.argument("file", type=_Named(dir_okay=False, path_type=Path))
@_which
def _export(folder: Path, file: Path, which: Literal["best", "last"]) -> None:
    """Write the model in FOLDER, with its alphabet, to one small FILE.

    Its numbers have 16 bits: half the size, and nearly the same text. The book's page reads such a
    file, and so does udl.gpt.export.read.
    """
    with _one_line_errors():
        from udl.gpt import export

        model, tokenizer = _loaded(folder, which)
        taken = ("run.json", "last.pt", "best.pt")
        if file.name in taken and file.resolve().parent == folder.resolve():
            raise ValueError(f"expected a file that is not the training's own, got {file}")
        if file.exists() and not (file.is_file() and _is_export(file)):
            raise ValueError(f"expected a new file, or one to export to again, got {file}")
        size = export.save(file, model, tokenizer)
        parameters = sum(weight.numel() for weight in model.parameters())
        tell(f"{file}: {parameters:,} parameters, {size:,} bytes")


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn the errors that the package explains into one line each."""
    try:
        with ending_at_once():
            import torch

            from udl import gpt  # noqa: F401, so that nothing is left to load later
            from udl.train import CheckpointError, NonFiniteLoss
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise Failed(_missing(error)) from error
        raise Failed("this needs PyTorch, which is not installed: pip install torch") from error
    except (ImportError, OSError) as error:  # a library of its own is missing or does not fit
        raise Failed(f"PyTorch does not load, udl doctor may say why: {line(error)}") from error
    try:
        yield
    except BrokenPipeError:
        raise
    except (ValueError, OverflowError, CheckpointError, OSError) as error:
        raise (Failed if _out_of_our_hands(error) else Refused)(line(error)) from error
    except ModuleNotFoundError as error:
        raise Failed(_missing(error)) from error
    except NonFiniteLoss as error:
        raise Failed(line(error)) from error
    except torch.OutOfMemoryError as error:
        raise Failed("not enough memory on the device: try a smaller --batch") from error
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, RuntimeError) and "DefaultCPUAllocator" not in str(error):
            raise
        raise Failed("not enough memory: try a smaller --batch") from error


@contextmanager
def _taking_back(out: Path) -> Iterator[None]:
    """Leave no ``run.json`` of a run that has no checkpoint, as it had too little memory.

    It would refuse the same command with a smaller batch.
    """
    new = not (out / "run.json").exists()
    try:
        yield
    except (RuntimeError, MemoryError):
        if new and not any(out.glob("*.pt")):
            (out / "run.json").unlink(missing_ok=True)
        raise


def _out_of_our_hands(error: Exception) -> bool:
    """Tell whether a disk failed, not what was asked of it."""
    codes = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, OSError) and cause.errno in codes:
            return True
        cause = cause.__cause__
    return False


def _missing(error: ModuleNotFoundError) -> str:
    return f"this needs {error.name}, which is not installed: pip install {error.name}"


def _place(device: str | None) -> torch.device:
    """Return the device of a name, if it is there."""
    import torch

    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    except RuntimeError as error:
        raise ValueError(f"expected cpu or cuda, got --device {device}") from error
    if place.type not in ("cpu", "cuda"):
        raise ValueError(f"expected cpu or cuda, got --device {device}")
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"got --device {device}, but PyTorch sees {torch.cuda.device_count()} GPUs"
        )
    return place


def _text(path: Path) -> str:
    """Return the content of a text file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"expected a text in UTF-8, got byte {error.object[error.start]:#04x} "
            f"at position {error.start} of {path}"
        ) from error
    if not text:
        raise ValueError(f"expected a text, got an empty file: {path}")
    return text


def _begun(out: Path, resume: bool) -> bool:
    """Return whether there is a training to go on with; refuse a folder that is not for us."""
    from udl.gpt import _run
    from udl.train import CheckpointError

    try:
        return _run.begun(out, resume=resume)
    except CheckpointError as error:
        if resume:
            raise
        raise ValueError(
            f"expected a folder without a model, got {out}: add --resume to go on with its "
            "training, or take another folder"
        ) from error


def _is_export(file: Path) -> bool:
    from udl.gpt import export

    with file.open("rb") as opened:
        return opened.read(len(export.MAGIC)) == export.MAGIC


def _plan(
    out: Path, preset: str | None, changes: dict[str, int | None], before: dict[str, Any] | None
) -> tuple[Config, Recipe]:
    """Return the config and recipe of a preset or of a run, with what was asked for instead.

    What a run began with is what it ends with: another number is refused.
    """
    from udl import gpt
    from udl.train import CheckpointError

    name = preset or "page"
    config, recipe = gpt.preset(name), gpt.RECIPES[name]
    if before is not None and preset is None:
        try:
            config = gpt.Config.from_dict(before["config"])
            recipe = gpt.Recipe.from_dict(before["recipe"])
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"the folder's run.json is damaged: {error}") from error
    begun = {
        "context": config.context,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "every": recipe.evaluate_every,
        "seed": recipe.seed,
    }
    asked = {option: number for option, number in changes.items() if number is not None}
    if before is not None and preset is None:
        for option, number in asked.items():
            if number != begun[option]:
                raise ValueError(
                    f"expected --{option} {begun[option]}, with which the training in {out} "
                    f"began, got {number}: leave it out, or begin in another folder"
                )
    now = begun | asked
    return replace(config, context=now["context"]), replace(
        recipe,
        steps=now["steps"],
        batch=now["batch"],
        evaluate_every=now["every"],
        seed=now["seed"],
    )


def _tokenizer(kind: str, text: str) -> Tokenizer:
    from udl import gpt

    if kind == "characters":
        return gpt.Characters(text)
    if kind == "gpt2":
        return gpt.gpt2_encoding()
    if kind.isdecimal():
        if int(kind) < 256:
            raise ValueError(f"expected 256 tokens or more, one a byte, got --tokens {kind}")
        return gpt.BytePairs.train(text, int(kind))
    raise ValueError(f"expected characters, gpt2 or a number, got --tokens {kind}")


def _loaded(folder: Path, which: Literal["best", "last"]) -> tuple[Any, Tokenizer]:
    """Return the model of a folder, and the tokenizer it was trained with."""
    from udl import gpt

    trained = gpt.load(folder, which)
    if trained.tokenizer is None:
        raise ValueError(f"expected a model of a text, got one of tokens without a text: {folder}")
    return trained.model, trained.tokenizer


def _first_tokens(tokenizer: Tokenizer, text: str = "") -> list[int]:
    """Return a new line; if there is none, the first character of the text, or any token."""
    for start in ("\n", text[:1]):
        try:
            if tokens := tokenizer.encode(start):
                return tokens
        except ValueError:
            pass
    return [0]


def _pieces(tokenizer: Tokenizer, tokens: Iterable[int]) -> Iterator[str]:
    """Yield the text of tokens bit by bit; a character whose bytes are in several waits.

    Bytes that are no UTF-8 become the sign for that, as does half of a surrogate pair, which no
    terminal could show.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    bytes_of = _bytes_of(tokenizer)
    for token in tokens:
        if piece := decoder.decode(bytes_of(token)):
            yield piece
    if piece := decoder.decode(b"", final=True):
        yield piece


def _bytes_of(tokenizer: Tokenizer) -> Callable[[int], bytes]:
    """Return a function of a token: its bytes, which need not be whole characters."""
    from udl.gpt.tokenizer import GPT2, BytePairs

    if isinstance(tokenizer, BytePairs):
        return lambda token: tokenizer.decode_bytes([token])
    if isinstance(tokenizer, GPT2):
        return lambda token: tokenizer.encoding.decode_bytes([token])
    return lambda token: tokenizer.decode([token]).encode("utf-8", "surrogatepass")


def _announce(
    text: str, tokenizer: Tokenizer, config: Config, recipe: Recipe, place: torch.device
) -> None:
    from udl.gpt import sizes

    total = sizes.parameters(config)["total"]
    say(f"text: {len(text):,} characters, {tokenizer.size:,} different tokens")
    say(
        f"model: {config.layers} layers, {config.heads} heads, width {config.width}, "
        f"context {config.context}: {total:,} parameters"
    )
    say(
        f"training: {recipe.steps:,} steps of {recipe.batch * recipe.accumulate} windows, "
        f"on {place}"
    )


def _report(
    now: Progress, recipe: Recipe, tokenizer: Tokenizer, prompt: list[int], length: int
) -> None:
    """Print a line, and what the model writes by now."""
    from udl import gpt

    if sys.stderr.isatty():  # the bar is there: begin a line of our own
        click.echo("\r\x1b[K", nl=False, err=True)
    left = now.seconds / now.step * (recipe.steps - now.step)
    say(
        f"step {now.step:>{len(str(recipe.steps))}} of {recipe.steps}   "
        f"loss {now.train_loss:.3f}   validation {now.validation_loss:.3f}   "
        f"{now.seconds:.0f} s, {left:.0f} s to go"
    )
    if length:
        tokens = gpt.generate(now.model, prompt, length, temperature=0.8, seed=recipe.seed)
        for written in "".join(_pieces(tokenizer, tokens)).splitlines():
            say(f"    | {written}")


def _conclude(trained: Trained, out: Path) -> None:
    history = trained.history
    best = int(history.best)
    say(
        f"lowest validation loss: {history['validation_loss'][best]:.3f} "
        f"after {trained.steps[best]:,} steps"
    )
    say(f"saved in {out}; let it write: udl gpt sample {shlex.quote(str(out))}")
