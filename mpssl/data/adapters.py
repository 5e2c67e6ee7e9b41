"""Read the images that a data set's configuration names, with one function for each adapter."""

from collections.abc import Callable
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.config.data import Dataset, EmbeddedDigits, Glyphs, ImageFolder, Packing
from mpssl.data.store import Reading


def read_dataset(dataset: Dataset, packing: Packing, folder: Path | None) -> Reading:
    """Read a data set of any adapter; `folder` holds its files, if it has any.

    Raises:
        UserError: files are missing or damaged, or there are too few images.
    """
    return ADAPTERS[dataset.adapter](dataset, packing, folder)


def _digits(dataset: EmbeddedDigits, packing: Packing, _: Path | None) -> Reading:
    from mpssl.data import embedded

    build = {"mnist": embedded.mnist, "digits": embedded.digits}[dataset.adapter]
    try:
        return build(dataset, packing.size)
    except ValueError as error:
        raise UserError(f"{dataset.title}: {error}") from None


def _glyphs(dataset: Glyphs, packing: Packing, _: Path | None) -> Reading:
    from mpssl.data.glyphs import render_glyphs

    return render_glyphs(dataset, packing.size)


def _folder(dataset: ImageFolder, packing: Packing, _: Path | None) -> Reading:
    from mpssl.data.folder import read_folder

    return read_folder(dataset, packing)


def _official(dataset: Dataset, packing: Packing, folder: Path) -> Reading:
    from mpssl.data.official import read_official

    return read_official(dataset, packing, folder)


ADAPTERS: dict[str, Callable[[Dataset, Packing, Path | None], Reading]] = {
    "mnist": _digits,
    "digits": _digits,
    "glyphs": _glyphs,
    "folder": _folder,
    **dict.fromkeys(
        ["aircraft", "cub", "cars", "dtd", "flowers", "pets", "food101", "chaoyang", "imagenet"],
        _official,
    ),
}
