"""What could be loaded with no network."""

from udl.data import _digits, _files, _life, _text


def available() -> dict[str, str]:
    """Say what ``"auto"`` would load with no network, for each set for which that can differ.

    Returns
    -------
    dict
        Name of the set: the SHA-256 of its file (for MNIST, of the training images), or what
        stands in for it: ``"surrogate"``, ``"small"``.

    Raises
    ------
    ChecksumError, NotADirectoryError
        As `life_expectancy`, `digits` and `tiny_shakespeare` do.

    Examples
    --------
    >>> from udl import data
    >>> list(data.available())
    ['WHO life expectancy', 'MNIST', 'Tiny Shakespeare']
    """
    table, images, text = _files.find(_life.FILE), _digits.find(), _files.find(_text.FILE)
    return {
        _life.NAME: table.sha256 if table else "surrogate",
        _digits.NAME: images[0].sha256 if images else "small",
        _text.NAME: text.sha256 if text else "surrogate",
    }
