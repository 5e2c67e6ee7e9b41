"""Whether generated images fit the data, said before any are made. No torch here."""

from collections.abc import Iterable

from mpssl.common.errors import UserError, nearest
from mpssl.config.data import ImageFolder
from mpssl.config.experiment import Config
from mpssl.data.pool import class_numbers, classes_by_name
from mpssl.plan.cells import Cell
from mpssl.plan.cost import split_sizes
from mpssl.plan.plan import Plan
from mpssl.plan.pool import folders, known_count


def check(plan: Plan, cells: Iterable[Cell]) -> None:
    """Compare what is known of the generated images with the data of some cells.

    Classes are compared with the user's own images alone, as those of others are not listed before
    they are downloaded.

    Raises:
        UserError: a class has no generated images, or a step needs more images than there are.
    """
    config, cells = plan.config, list(cells)
    generates = [cell for cell in cells if "generator" in plan.needs(cell)]
    count = known_count(config) if generates else None
    if count is not None:
        for cell in {(c.dataset, c.fraction, plan.ratio(c)): c for c in generates}.values():
            if _has_size(config, cell.dataset):
                refuse_too_few(plan, cell, count)
    mapped = {cell.dataset for cell in generates if plan.method(cell).source == "mapped"}
    for name in sorted(mapped):
        if isinstance(config.datasets[name], ImageFolder):
            _check_classes(config, config.datasets[name])


def _has_size(config: Config, dataset: str) -> bool:
    data = config.datasets[dataset]
    return data.sizes() is None or not data.missing_sizes()


def refuse_too_few(plan: Plan, cell: Cell, count: int) -> None:
    """Raise UserError if a pool of `count` images is too small for a step of a cell's runs."""
    config = plan.config
    labeled, _ = split_sizes(config, cell.dataset, cell.fraction)
    a_step = plan.ratio(cell) * min(labeled, config.training.batch_size)
    if count < a_step:
        raise UserError(
            f"the pool {config.foundation.generator.path} has {count} images, a step takes "
            f"{a_step}; make more, or take a smaller training.batch_size or unlabeled_ratio"
        )


def _check_classes(config: Config, data: ImageFolder) -> None:
    from mpssl.data.folder import list_images

    classes, class_map = sorted(list_images(data).train), config.foundation.class_map
    if not class_map:
        made = folders(config.foundation)
        classes_by_name(made, classes, class_numbers(made))
    for name in classes if class_map else []:
        if not class_map.get(name):
            raise UserError(
                "foundation.class_map names no foundation classes for the class "
                f"{name}{nearest(name, class_map)}; add them"
            )
