"""One experiment as a whole. Every default lives in this package.

Defaults are the paper's values where it prints one (Sec. 4.1); the others are assumptions, each
with a row in docs/assumptions.md.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from mpssl.common.errors import nearest
from mpssl.config.architectures import BACKBONES, UNSPLITTABLE, UNSPLITTABLE_REASON
from mpssl.config.data import Dataset, Packing, Split
from mpssl.config.fields import (
    BASE_ROW,
    Closed,
    Count,
    Name,
    NonNegative,
    Positive,
    Probability,
    Setting,
    merge,
)
from mpssl.config.foundation import Foundation
from mpssl.config.method import Lmo, Method, Objectives, split_row
from mpssl.config.tables import Answer, Claim, Domain, Figure, Roles, Table
from mpssl.config.training import Augmentation, Training, UnlabeledRatio


class Config(Closed):
    """One experiment: what `config/config.yaml` or `config/mini.yaml` says."""

    experiment: Name
    datasets: dict[Name, Dataset]
    foundation: Foundation
    roles: Roles
    wanted: list[Name] = Field(["all"], description="tables and figures that `all` makes")
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0, 1, 2], min_length=1)
    unlabeled_weight: Literal["search"] | NonNegative = Field(
        "search", description="lambda: searched for each cell on the first seed, or a number"
    )
    unlabeled_weight_grid: list[Positive] = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], min_length=1
    )
    unlabeled_ratio: UnlabeledRatio = UnlabeledRatio()
    packing: Packing = Packing()
    split: Split = Split()
    augmentation: Augmentation = Augmentation()
    training: Training = Training()
    lmo: Lmo = Lmo()
    objectives: Objectives = Objectives()
    methods: dict[Setting, dict[Name, Method]]
    tables: dict[Name, Table]
    figures: dict[Name, Figure]
    claims: dict[Name, Claim] = {}
    answer: Answer | None = Field(None, description="write answer.md and the chosen model file")
    domain: Domain | None = Field(
        None, description="before training, measure how far the generator lies from the data"
    )
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runs_per_gpu: Count = Field(
        1, description="training runs that may share one GPU; `--resources gpu=` counts such slots"
    )
    resident_images: Probability = Field(
        0.3,
        description="part of the device's memory that one array of packed images may take; "
        "a larger one stays in its file and is read a batch ahead",
    )
    threads: Count = Field(1, description="CPU threads of one training run")
    tensorboard: bool = Field(False, description="also write TensorBoard event files of each run")

    @model_validator(mode="after")
    def _names_exist(self) -> "Config":
        """Every name that one part of the configuration uses is defined by another."""
        grids = {**self.tables, **self.figures}
        for name in set(self.tables) & set(self.figures):
            raise ValueError(f"'{name}' names both a table and a figure")
        for role, names in self.roles.architectures.items():
            for name in names:
                if name in UNSPLITTABLE:
                    raise ValueError(f"roles.architectures.{role}: {name} {UNSPLITTABLE_REASON}")
                _known(f"roles.architectures.{role}", name, BACKBONES)
        for name in self.wanted:
            _known("wanted", name, ["all", *grids])
        for role, names in self.roles.datasets.items():
            for name in names:
                _known(f"roles.datasets.{role}", name, self.datasets)
                if not self.datasets[name].has_test_split:
                    raise ValueError(f"roles.datasets.{role}: '{name}' has no test split")
        if self.foundation.dataset is not None:
            _known("foundation.dataset", self.foundation.dataset, self.datasets)
        answer = {"answer": self.answer} if self.answer else {}
        for name, columns in {**grids, **self.claims, **answer}.items():
            _known(f"{name}.datasets", columns.datasets, self.roles.datasets)
            _known(f"{name}.fractions", columns.fractions, self.roles.fractions)
            _known(f"{name}.architectures", columns.architectures, self.roles.architectures)
        for grid in grids.values():
            for row in [*grid.rows, *grid.labels]:
                self.method(row)
        for name, table in self.tables.items():
            _known(f"{name}.reference", table.reference, [BASE_ROW, *table.rows])
        for row in self.answer.rows if self.answer else []:
            self.method(row)
        for claim in self.claims.values():
            for row in [claim.row, *claim.than]:
                self.method(row)
        for setting, methods in self.methods.items():
            for name, method in methods.items():
                for variant in method.variants:
                    self.method(f"{setting}/{name}/{variant}")
        return self

    @model_validator(mode="after")
    def _values_fit(self) -> "Config":
        """Values that are right alone fit together."""
        if self.training.image_size > self.packing.size:
            raise ValueError(
                f"training.image_size {self.training.image_size} is larger than packing.size "
                f"{self.packing.size}"
            )
        side = self.training.image_size
        for name in {name for names in self.roles.architectures.values() for name in names}:
            backbone = BACKBONES[name]
            if side < backbone.smallest or (backbone.fixed and side != backbone.smallest):
                at_least = "of" if backbone.fixed else "of at least"
                raise ValueError(
                    f"{name} takes images {at_least} {backbone.smallest} pixels; "
                    f"training.image_size is {side}"
                )
        parts = (self.foundation.generator, self.foundation.classifier)
        if self.foundation.dataset is None and any(part.kind == "trained" for part in parts):
            raise ValueError("foundation.dataset must name the images to train the foundation on")
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: each seed may stand there once")
        if len({f"{w:g}" for w in self.unlabeled_weight_grid}) < len(self.unlabeled_weight_grid):
            raise ValueError("unlabeled_weight_grid: each value may stand there once")
        return self

    def method(self, row: str) -> tuple[Method, Lmo]:
        """The method of a row `setting/method[/variant]`, the variant's changes applied.

        Raises:
            ValueError: the setting, method, variant or one of its changes is unknown.
        """
        setting, name, variant = split_row(row)
        _known(f"row {row}", setting, self.methods)
        _known(f"row {row}", name, self.methods[setting])
        method, lmo = self.methods[setting][name], self.lmo
        if variant != "default":
            _known(f"row {row}", variant, method.variants)
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
                raise _moved(error, place) from None
        return method, lmo


def _moved(error: ValidationError, place: tuple[str, ...]) -> ValidationError:
    """`error`, as of a value at `place`."""
    details = [
        {key: value for key, value in line.items() if key in ("type", "input", "ctx")}
        | {"loc": place + line["loc"]}
        for line in error.errors()
    ]
    return ValidationError.from_exception_data(error.title, details)


def _known(where: str, name: str, names: Iterable[str]) -> None:
    if name not in names:
        raise ValueError(f"{where}: unknown name '{name}'{nearest(name, names)}")
