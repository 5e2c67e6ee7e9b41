"""From a data set's configuration to its images: one function an adapter."""

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
        images, labels, classes, pool = build(
            image_size=packing.size,
            n_pool=dataset.pool_size,
            n_test=dataset.test_size,
            seed=dataset.seed,
            **dataset.distortion.model_dump(),
        )
    except ValueError as error:
        raise UserError(f"{dataset.title}: {error}") from None
    return Reading(images, labels, classes, pool)


def _glyphs(dataset: Glyphs, packing: Packing, _: Path | None) -> Reading:
    from mpssl.data.glyphs import render_glyphs

    settings = dataset.model_dump(exclude={"adapter", "title"})
    images, labels, classes = render_glyphs(image_size=packing.size, **settings)
    return Reading(images, labels, classes, pool=len(labels))


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
