"""One experiment as a whole. Every default lives in this package.

Defaults are the paper's values where it prints one (Sec. 4.1); the others are assumptions, each
with a row in docs/assumptions.md.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from mpssl.config.architectures import unusable, wrong_side
from mpssl.config.data import Dataset, Packing, Split
from mpssl.config.fields import (
    BASE_ROW,
    Closed,
    Count,
    Name,
    NonNegative,
    ObjectiveName,
    Place,
    Positive,
    Probability,
    Rungs,
    Setting,
    known,
    merge,
    moved,
)
from mpssl.config.foundation import Foundation, check_shipped_classifiers
from mpssl.config.method import Lmo, Method, Objectives, split_row
from mpssl.config.tables import Answer, Claim, Domain, Figure, Roles, Table
from mpssl.config.training import Augmentation, Training, UnlabeledRatio


class Config(Closed):
    """One experiment: what `config/config.yaml` or `config/mini.yaml` says."""

    experiment: Name = Field(
        description="Name of the experiment: its results go to `results/NAME/`.",
        examples=["my-birds"],
    )
    store: Place = Field(
        Path("store"),
        description="Folder of what takes long to make, each thing named by what made it, which "
        "experiments share: packed data, splits, foundations and runs.",
        examples=["/shared/store"],
    )
    datasets: dict[Name, Dataset] = Field(
        description="Data sets by name; those of `mpssl/shipped/datasets.yaml` if this is not "
        "given."
    )
    foundation: Foundation = Field(description="Foundation: a generator and a classifier.")
    roles: Roles = Field(description="Roles: what data sets, fractions, architectures tables mean.")
    wanted: list[Name] = Field(
        ["all"],
        description="Names of the tables and figures that `snakemake` makes; `all` is each of "
        "them.",
        examples=[["table1", "figure4"]],
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [0, 1, 2], min_length=1, description="Seeds: each cell is trained once with each of them."
    )
    unlabeled_weight: Literal["search"] | NonNegative | dict[ObjectiveName, NonNegative] = Field(
        "search",
        description="Weight lambda of the unlabeled loss: a number for all cells, a number for "
        "each objective (others take 1), or `search`: then each cell is trained with each weight "
        "of the grid on the seed `search_seed`, and the one with the best validation accuracy, "
        "called `selected`, serves all seeds.",
        examples=["search", 0.5, {"scr": 3, "freematch": 1}],
    )
    unlabeled_weight_grid: list[Positive] = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
        min_length=1,
        description="Weights lambda among which `unlabeled_weight: search` chooses.",
    )
    unlabeled_weight_search: Literal["full", "halving"] = Field(
        "full",
        description="Way of the search: `full` trains each weight to the end, as the paper does; "
        "`halving` all to the first of `unlabeled_weight_rungs`, the better half to the next one.",
    )
    unlabeled_weight_rungs: Rungs = Field(
        [0.3, 0.6],
        description="Parts of the epochs, ascending, after which `halving` leaves the worse half.",
    )
    search_seed: Literal["first"] | Annotated[int, Field(ge=0)] = Field(
        100,
        description="Seed on which `unlabeled_weight: search` tries the grid: a number that is not "
        "one of `seeds`, or `first`: the search's best run is then the first seed's, and every "
        "comparison leaves that seed out, as its run is the best of several.",
    )
    unlabeled_ratio: UnlabeledRatio = Field(
        UnlabeledRatio(), description="Numbers of unlabeled images for each labeled one in a batch."
    )
    packing: Packing = Field(Packing(), description="Way in which images become one array.")
    split: Split = Field(Split(), description="Way in which the pool becomes D, D_val and D_u.")
    augmentation: Augmentation = Field(
        Augmentation(), description="Random views of labeled and unlabeled images."
    )
    training: Training = Field(Training(), description="Settings of the classifier's training.")
    lmo: Lmo = Field(Lmo(), description="Settings of latent meta-optimization, MP-SSL's source.")
    objectives: Objectives = Field(
        Objectives(), description="Settings of the consistency objectives."
    )
    methods: dict[Setting, dict[Name, Method]] = Field(
        description="Methods by setting and name; those of `mpssl/shipped/methods.yaml` if this is "
        "not given."
    )
    tables: dict[Name, Table] = Field(
        description="Tables by name; those of `mpssl/shipped/tables.yaml` if this is not given."
    )
    figures: dict[Name, Figure] = Field(
        description="Figures by name; those of `mpssl/shipped/tables.yaml` if this is not given."
    )
    claims: dict[Name, Claim] = Field(
        {},
        description="Claims by name; those of `mpssl/shipped/claims.yaml` if this is not given.",
    )
    answer: Answer | None = Field(
        None,
        description="Comparison for which `answer.md` and a copy of the chosen model file are "
        "written; none if this is empty.",
    )
    paper_results: Place | None = Field(
        None,
        description="CSV file of the values that a paper prints, which stand beside ours in the "
        "tables; its columns are those of `mpssl/shipped/paper_results.csv`, which is taken if "
        "this is empty.",
        examples=["other_paper.csv"],
    )
    domain: Domain | None = Field(
        None,
        description="Measurement, before training, of how far the generator is from the data; "
        "none if this is empty.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="Device of the training; `auto` is a GPU if there is one."
    )
    runs_per_gpu: Count = Field(
        1,
        description="Number of training runs that may share one GPU; `--resources gpu=` counts "
        "such slots.",
    )
    resident_images: Probability = Field(
        0.3,
        description="Part of the device's memory that one array of packed images may take; a "
        "larger one stays in its file and is read a batch ahead.",
    )
    threads: Count = Field(1, description="Number of CPU threads of one training run.")
    tensorboard: bool = Field(
        False, description="Whether TensorBoard's event files of each run are written too."
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> "Config":
        for check in CHECKS:
            check(self)
        return self

    def method(self, row: str) -> tuple[Method, Lmo]:
        """The method of a row `setting/method[/variant]`, the variant's changes applied.

        Raises:
            ValueError: the setting, method, variant or one of its changes is unknown.
        """
        setting, name, variant = split_row(row)
        known(f"row {row}", setting, self.methods)
        known(f"row {row}", name, self.methods[setting])
        method, lmo = self.methods[setting][name], self.lmo
        if variant != "default":
            known(f"row {row}", variant, method.variants)
            changes = method.variants[variant]
            update = changes.model_dump(exclude={"lmo"}, exclude_none=True)
            method = Method.model_validate(method.model_dump() | update, strict=True)
            if changes.lmo and method.source != "lmo":
                raise ValueError(
                    f"variant {row}: `lmo` changes nothing of the source {method.source}"
                )
            try:
                lmo = Lmo.model_validate(merge(lmo.model_dump(), changes.lmo), strict=True)
            except ValidationError as error:
                place = ("methods", setting, name, "variants", variant, "lmo")
                raise moved(error, place) from None
        return method, lmo


# ------------------------------------------- what must hold between the parts; ValueError if not


def grids_have_names(config: Config) -> None:
    """No table has the name of a figure, and what is wanted is one of them."""
    for name in set(config.tables) & set(config.figures):
        raise ValueError(f"'{name}' names both a table and a figure")
    for name in config.wanted:
        known("wanted", name, ["all", *config.tables, *config.figures])


def architectures_exist(config: Config) -> None:
    """The roles name classifiers that can be split into features and a head."""
    for role, names in config.roles.architectures.items():
        for reason in filter(None, map(unusable, names)):
            raise ValueError(f"roles.architectures.{role}: {reason}")


def datasets_exist(config: Config) -> None:
    """Roles and foundation name data sets, the roles such that can be tested."""
    for role, names in config.roles.datasets.items():
        for name in names:
            known(f"roles.datasets.{role}", name, config.datasets)
            if not config.datasets[name].has_test_split:
                raise ValueError(f"roles.datasets.{role}: '{name}' has no test split")
    if config.foundation.dataset is not None:
        known("foundation.dataset", config.foundation.dataset, config.datasets)


def columns_are_roles(config: Config) -> None:
    """Tables, figures, claims and the answer name roles."""
    answer = {} if config.answer is None else {"answer": config.answer}
    parts = config.tables | config.figures | config.claims | answer
    for name, columns in parts.items():
        for role in ("datasets", "fractions", "architectures"):
            known(f"{name}.{role}", getattr(columns, role), getattr(config.roles, role))


def rows_are_methods(config: Config) -> None:
    """Rows name methods, and all variants are valid, those too that no row names."""
    for setting, methods in config.methods.items():
        for name, method in methods.items():
            for variant in method.variants:
                config.method(f"{setting}/{name}/{variant}")
    grids = [*config.tables.values(), *config.figures.values()]
    rows = [row for grid in grids for row in [*grid.rows, *grid.labels]]
    rows += config.answer.rows if config.answer else []
    rows += [row for claim in config.claims.values() for row in [claim.row, *claim.than]]
    for row in rows:
        config.method(row)


def references_are_rows(config: Config) -> None:
    """The row to which a table's differences are taken is the base model or a row of it."""
    for name, table in config.tables.items():
        known(f"{name}.reference", table.reference, dict.fromkeys([BASE_ROW, *table.rows]))


def images_are_large_enough(config: Config) -> None:
    """Images are cut out of the packed ones, and are such as every classifier takes."""
    side = config.training.image_size
    packed = config.packing.size
    if side > packed:
        raise ValueError(f"training.image_size {side} is larger than packing.size {packed}")
    for name in config.roles.every_architecture:
        if reason := wrong_side(name, side):
            raise ValueError(f"{reason}; training.image_size is {side}")


def foundation_fits(config: Config) -> None:
    """A trained foundation has images to be trained on, a shipped one what runs start from."""
    foundation, training = config.foundation, config.training
    kinds = {part.kind for part in (foundation.network, foundation.classifier) if part}
    if foundation.dataset is None and "trained" in kinds:
        raise ValueError("foundation.dataset must name the images to train the foundation on")
    if foundation.classifier.kind == "shipped":
        normalization = training.normalize_mean, training.normalize_std
        check_shipped_classifiers(config.roles.every_architecture, *normalization)


def variations_have_one_split(config: Config) -> None:
    """A pool of varied images is made from one D."""
    pool = config.foundation.generator
    if varied := pool.kind == "images" and pool.make and pool.make.variations:
        known("foundation.generator.make.variations", varied.dataset, config.datasets)
    if varied and config.split.drawn_for == "seed":
        raise ValueError("split.drawn_for: seed; a pool of variations is made from one D for all")


def values_differ(config: Config) -> None:
    """Seeds and weights, which name the folders of runs, are given once; the search's seed too."""
    if len(set(config.seeds)) < len(config.seeds):
        raise ValueError("seeds: each seed may be given once")
    grid = config.unlabeled_weight_grid
    if len({f"{weight:g}" for weight in grid}) < len(grid):
        raise ValueError("unlabeled_weight_grid: each value may be given once")
    if config.unlabeled_weight == "search" and config.search_seed in config.seeds:
        raise ValueError(f"search_seed: {config.search_seed} is one of `seeds`")


CHECKS: list[Callable[[Config], None]] = [
    grids_have_names,
    architectures_exist,
    datasets_exist,
    columns_are_roles,
    rows_are_methods,
    references_are_rows,
    images_are_large_enough,
    foundation_fits,
    variations_have_one_split,
    values_differ,
]
