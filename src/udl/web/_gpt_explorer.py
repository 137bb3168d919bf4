"""A GPT to ask on the page: what it expects next, what it writes, and where its heads look.

The weights travel as the file of :mod:`udl.gpt.export`, which the page loads when it is asked to.
"""

from __future__ import annotations

import html
from dataclasses import replace

from udl.gpt import export
from udl.gpt.model import GPT
from udl.gpt.sample import generate
from udl.gpt.tokenizer import Characters
from udl.web.host import File, Widget, inline, labeled

_MOST_BYTES = 450_000
_TASK = (
    "Choose heads, and find the one that looks back to the character before more than any other "
    "head does."
)


def gpt_explorer(
    model: GPT,
    tokenizer: Characters,
    *,
    prompt: str = "\n",
    label: str = "",
    task: str = "",
    title: str = "A GPT to ask",
) -> Widget:
    r"""Let the reader ask a trained model for the next character, sample, and see its attention.

    The page computes with the weights in float16, in its own code. It sees what
    :func:`udl.gpt.generate` sees with its cache: when the context is full, it keeps the last half.

    Parameters
    ----------
    model : GPT
        At most 224,000 parameters, so that the file has at most 450 kB.
    tokenizer : Characters
        Which the model was trained with.
    prompt : str
        Text to begin with, of characters that the tokenizer knows, at most the context.
    label : str
        Stable id of the explorer on its page; by default a hash of the content.
    task : str
        What to try, with ``$math$`` and ```code```. By default, and whatever is written here,
        the page notices when the reader has found the head that looks back one character most.
    title : str
        Plain-text name.

    Returns
    -------
    Widget
        Place it as the last expression of a cell.

    Raises
    ------
    TypeError
        If the tokenizer is of another kind.
    ValueError
        If the weights are too many, not finite, or do not fit the tokenizer, the prompt is empty,
        too long or has a character that the tokenizer does not know, the title is empty, or
        `label` is no id.

    See Also
    --------
    udl.gpt.generate : The same in Python, for models of any size.

    Examples
    --------
    >>> from udl.gpt.config import Config
    >>> model = GPT(Config(vocabulary=3, context=8, layers=1, heads=2, width=8))
    >>> explorer = gpt_explorer(model, Characters("abc"), prompt="ab", label="tiny")
    >>> explorer, explorer.props["config"]["layers"]
    (<gpt: A GPT to ask>, 1)
    """
    if not isinstance(tokenizer, Characters):
        raise TypeError(f"expected a tokenizer of Characters, got {type(tokenizer).__name__}")
    if not title.strip():
        raise ValueError(f"expected a title that is not empty, got {title!r}")
    content = export.weights(model, tokenizer)
    if len(content) > _MOST_BYTES:
        raise ValueError(
            f"expected weights of at most {_MOST_BYTES} bytes, which a page can load, "
            f"got {len(content)}; the preset 'page' has a fitting size"
        )
    tokens = tokenizer.encode(prompt)
    if not 1 <= len(tokens) <= model.config.context:
        raise ValueError(
            f"expected a prompt of 1 to {model.config.context} characters, the context, "
            f"got {len(tokens)}"
        )
    file = File.named("gpt", content)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    widget = labeled(
        "gpt",
        {
            "title": title,
            "task": inline(task or _TASK),
            "config": model.config.to_dict(),
            "alphabet": tokenizer.alphabet,
            "prompt": prompt,
            "parameters": parameters,
            "file": file.props(),
        },
        label,
        fallback=_fallback(content, tokens, title, parameters),
        title=title,
        height=180,
    )
    return replace(widget, file=file)


def _fallback(content: bytes, tokens: list[int], title: str, parameters: int) -> str:
    """Let the model write what a page without JavaScript, or on paper, can show."""
    model, tokenizer = export.read(content)
    new = generate(model, tokens, 120, temperature=0.8)
    return (
        f"<p><b>{html.escape(title)}.</b> With JavaScript, and on a page that a server gives out, "
        f"a GPT of {parameters:,} parameters can be asked here. It goes on with its prompt, in "
        "bold, for example like this, at temperature 0.8:</p>"
        f"<pre><b>{html.escape(tokenizer.decode(tokens))}</b>"
        f"{html.escape(tokenizer.decode(new))}</pre>"
    )
