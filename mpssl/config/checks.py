"""What must hold between the parts of a configuration; each check raises ValueError."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from mpssl.common.errors import nearest
from mpssl.config.architectures import BACKBONES, UNSPLITTABLE, UNSPLITTABLE_REASON
from mpssl.config.fields import BASE_ROW

if TYPE_CHECKING:
    from mpssl.config.experiment import Config


def known(where: str, name: str, names: Iterable[str]) -> None:
    """Refuse a name that is not among `names`.

    Raises:
        ValueError: it is not; with a hint.
    """
    if name not in names:
        raise ValueError(f"{where}: unknown name '{name}'{nearest(name, names)}")


def grid_names_are_unique(config: "Config") -> None:
    """No table has the name of a figure."""
    for name in set(config.tables) & set(config.figures):
        raise ValueError(f"'{name}' names both a table and a figure")


def architectures_exist(config: "Config") -> None:
    """The roles name classifiers that can be split into features and a head."""
    for role, names in config.roles.architectures.items():
        for name in names:
            if name in UNSPLITTABLE:
                raise ValueError(f"roles.architectures.{role}: {name} {UNSPLITTABLE_REASON}")
            known(f"roles.architectures.{role}", name, BACKBONES)


def wanted_exists(config: "Config") -> None:
    """What is wanted is a table or figure."""
    for name in config.wanted:
        known("wanted", name, ["all", *config.tables, *config.figures])


def datasets_exist(config: "Config") -> None:
    """Roles and foundation name data sets, the roles such that can be tested."""
    for role, names in config.roles.datasets.items():
        for name in names:
            known(f"roles.datasets.{role}", name, config.datasets)
            if not config.datasets[name].has_test_split:
                raise ValueError(f"roles.datasets.{role}: '{name}' has no test split")
    if config.foundation.dataset is not None:
        known("foundation.dataset", config.foundation.dataset, config.datasets)


def columns_are_roles(config: "Config") -> None:
    """Tables, figures, claims and the answer name roles."""
    parts = [*config.tables.items(), *config.figures.items(), *config.claims.items()]
    if config.answer is not None:
        parts.append(("answer", config.answer))
    for name, columns in parts:
        known(f"{name}.datasets", columns.datasets, config.roles.datasets)
        known(f"{name}.fractions", columns.fractions, config.roles.fractions)
        known(f"{name}.architectures", columns.architectures, config.roles.architectures)


def rows_are_methods(config: "Config") -> None:
    """Rows of tables, figures, claims and the answer name methods."""
    for grid in [*config.tables.values(), *config.figures.values()]:
        for row in [*grid.rows, *grid.labels]:
            config.method(row)
    for row in config.answer.rows if config.answer else []:
        config.method(row)
    for claim in config.claims.values():
        for row in [claim.row, *claim.than]:
            config.method(row)


def references_are_rows(config: "Config") -> None:
    """The row to which a table's differences are taken is the base model or a row of it."""
    for name, table in config.tables.items():
        known(f"{name}.reference", table.reference, [BASE_ROW, *table.rows])


def variants_are_valid(config: "Config") -> None:
    """Also those that no table uses."""
    for setting, methods in config.methods.items():
        for name, method in methods.items():
            for variant in method.variants:
                config.method(f"{setting}/{name}/{variant}")


def images_are_large_enough(config: "Config") -> None:
    """Images are cut out of the packed ones, and are such as every classifier takes."""
    side = config.training.image_size
    if side > config.packing.size:
        raise ValueError(
            f"training.image_size {side} is larger than packing.size {config.packing.size}"
        )
    for name in {name for names in config.roles.architectures.values() for name in names}:
        backbone = BACKBONES[name]
        if side < backbone.smallest or (backbone.fixed and side != backbone.smallest):
            at_least = "of" if backbone.fixed else "of at least"
            raise ValueError(
                f"{name} takes images {at_least} {backbone.smallest} pixels; "
                f"training.image_size is {side}"
            )


def foundation_has_images(config: "Config") -> None:
    """A foundation that is trained has images to be trained on."""
    parts = (config.foundation.generator, config.foundation.classifier)
    if config.foundation.dataset is None and any(part.kind == "trained" for part in parts):
        raise ValueError("foundation.dataset must name the images to train the foundation on")


def values_differ(config: "Config") -> None:
    """No seed and no weight of the grid is given twice: each names a run's folder."""
    if len(set(config.seeds)) < len(config.seeds):
        raise ValueError("seeds: each seed may be given once")
    grid = config.unlabeled_weight_grid
    if len({f"{weight:g}" for weight in grid}) < len(grid):
        raise ValueError("unlabeled_weight_grid: each value may be given once")


CHECKS: list[Callable[["Config"], None]] = [
    grid_names_are_unique,
    architectures_exist,
    wanted_exists,
    datasets_exist,
    columns_are_roles,
    rows_are_methods,
    references_are_rows,
    variants_are_valid,
    images_are_large_enough,
    foundation_has_images,
    values_differ,
]
