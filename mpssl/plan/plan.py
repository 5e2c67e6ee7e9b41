"""From tables to cells to runs: the plan of an experiment. Imports no torch; Snakemake reads it.

A cell is one entry of a table; tables share cells. A run trains one classifier. A cell needs one
run a seed; if lambda is searched, the grid is run on a seed of its own, and all seeds take the
lambda that is the best there by validation accuracy ("selected").
"""

from collections.abc import Iterator
from functools import cache, cached_property
from math import ceil
from pathlib import Path

from mpssl.common.entry_points import entry_source
from mpssl.common.files import file_digest
from mpssl.config.architectures import BACKBONES
from mpssl.config.data import Download
from mpssl.config.experiment import Config
from mpssl.config.fields import BASE_ROW
from mpssl.config.method import Lmo, Method
from mpssl.config.run_settings import EntryPoint, RunSettings
from mpssl.config.tables import Columns, Grid
from mpssl.config.training import Augmentation
from mpssl.plan.cells import SELECTED, Cell, Column, Run, cell_of
from mpssl.plan.downloaded import absent
from mpssl.plan.pool import lacks
from mpssl.training.objectives import OBJECTIVES, ON_FEATURES
from mpssl.training.sources import SOURCES

TORCHVISION_URL = "https://download.pytorch.org/models/"


class Plan:
    """The runs that the tables and figures of one experiment need."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.grids: dict[str, Grid] = {**config.tables, **config.figures}
        self._of_row = cache(config.method)  # Snakemake asks many times for each run

    def columns(self, name: str) -> list[Column]:
        """The columns of a table or figure."""
        return self.product(self.grids[name])

    def product(self, columns: Columns) -> list[Column]:
        """Data sets x label fractions x architectures."""
        roles = self.config.roles
        return [
            Column(dataset, fraction, architecture)
            for dataset in roles.datasets[columns.datasets]
            for fraction in roles.fractions[columns.fractions]
            for architecture in roles.architectures[columns.architectures]
        ]

    def cells(self, name: str) -> list[Cell]:
        """The distinct cells of a table or figure that can be run, row by row."""
        cells = (
            cell_of(row, column) for row in self.grids[name].rows for column in self.columns(name)
        )
        return list(dict.fromkeys(c for c in cells if self.impossible(c) is None))

    def impossible(self, cell: Cell) -> str | None:
        """Why a cell cannot be run, or None."""
        source, foundation = self.method(cell).source, self.config.foundation.dataset
        datasets = self.config.datasets
        if source == "real" and cell.fraction == 100 and not datasets[cell.dataset].has_unlabeled:
            return "no unlabeled images are left at 100 %"
        if source == "foundation" and foundation is None:
            return "foundation.dataset names no real images"
        if reason := self._nothing_to_train(cell):
            return reason
        if reason := lacks(self.config.foundation, self.method(cell), cell):
            return reason
        group = self.method(cell).classes
        if group is not None and group not in self.config.foundation.class_groups:
            return f"foundation.class_groups has no {group}"
        used = [cell.dataset, *([foundation] if source == "foundation" else [])]
        for dataset in used:
            if dataset in self._absent:
                return f"{dataset} must be fetched by hand, see docs/data.md"
        return None

    def _nothing_to_train(self, cell: Cell) -> str | None:
        """Why a cell's classifier or its foundation classifier does not serve it, or None."""
        method, training = self.method(cell), self.config.training
        if training.train == "head" and method.objective in ON_FEATURES:
            return (
                f"{method.objective} compares features, and training.train: head trains none; "
                "take training.train: all, or an objective on classes such as freematch"
            )
        pretrained = self.config.foundation.classifier.kind == "pretrained"
        known = BACKBONES[cell.architecture].classes
        if method.source == "pseudo" and pretrained and known == 0:
            return (
                "the source pseudo needs classes of the foundation classifier, and the weights of "
                f"{cell.architecture} have none"
            )
        return None

    @cached_property
    def _absent(self) -> set[str]:
        return {name for name in self.config.datasets if absent(self.config, name)}

    @cached_property
    def wanted(self) -> list[str]:
        """The tables and figures that the configuration asks for."""
        wanted = self.config.wanted
        return list(self.grids) if "all" in wanted else list(dict.fromkeys(wanted))

    def wanted_cells(self) -> list[Cell]:
        """The distinct cells of all wanted tables and figures, and of the answer."""
        cells = [cell for name in self.wanted for cell in self.cells(name)]
        return list(dict.fromkeys([*cells, *self.answer_cells()]))

    def answer_cells(self) -> list[Cell]:
        """The distinct cells that the answer compares, the base model's first; empty without it."""
        answer = self.config.answer
        if answer is None:
            return []
        cells = (
            cell_of(row, column)
            for column in self.product(answer)
            for row in [BASE_ROW, *answer.rows]
        )
        return list(dict.fromkeys(c for c in cells if self.impossible(c) is None))

    def weight_downloads(self) -> list[tuple[Path, Download]]:
        """Files of pretrained weights and their folders: pinned ones, and torchvision's others."""
        generator, classifier = self.config.foundation.network, self.config.foundation.classifier
        parts = [part for part in (generator, classifier) if part and part.kind == "pretrained"]
        found = {d.file: (part.path, d) for part in parts for d in part.downloads}
        if classifier.kind == "pretrained":
            for architecture in sorted(self.config.roles.every_architecture):
                file = BACKBONES[architecture].weights
                if file is not None and file not in found:
                    url, digits = BACKBONES[architecture].url, None
                    if url is None:
                        digits = file.removesuffix(".pth").rpartition("-")[2]
                        url = TORCHVISION_URL + file
                    download = Download(file=file, urls=[url], sha256=digits)
                    found[file] = classifier.path, download
        return list(found.values())

    def all_cells(self) -> list[Cell]:
        """The distinct cells of all tables and figures."""
        return list(dict.fromkeys(cell for name in self.grids for cell in self.cells(name)))

    def method(self, cell: Cell) -> Method:
        """The method of a cell with its variant's changes."""
        return self._of_row(cell.row)[0]

    def lmo(self, cell: Cell) -> Lmo:
        """The settings of LMO with the changes of a cell's variant."""
        return self._of_row(cell.row)[1]

    def searched(self, cell: Cell) -> bool:
        """Whether lambda is searched for this cell."""
        return self.config.unlabeled_weight == "search" and self.method(cell).objective != "none"

    @property
    def search_is_first(self) -> bool:
        """Whether the best run of the lambda search is the first seed's run."""
        return self.config.search_seed == "first"

    @property
    def search_seed(self) -> int:
        """The seed of the runs of the lambda search."""
        return self.config.seeds[0] if self.search_is_first else self.config.search_seed

    @property
    def halves(self) -> bool:
        """Whether lambda is searched by halving, so that some runs of the search do not end."""
        return self.config.unlabeled_weight_search == "halving"

    def rungs(self, count: int) -> list[tuple[int, int]]:
        """The rungs of a search by halving among `count` weights: (epochs, weights that go there).

        The last is the whole training, of all that are left; it is left out where one is left whose
        run no table needs.
        """
        epochs, found = self.config.training.epochs, []
        for part in self.config.unlabeled_weight_rungs:
            found.append((max(1, round(part * epochs)), count))
            count = ceil(count / 2)
        last = [(epochs, count)] if count > 1 or self.search_is_first else []
        return found + last

    def runs_by_halving(self, count: int) -> float:
        """How many whole runs a search by halving among `count` weights trains."""
        begun, total = 0, 0
        for epochs, going in self.rungs(count):
            total += (epochs - begun) * going
            begun = epochs
        return total / self.config.training.epochs

    def search_runs(self, cell: Cell) -> list[Run]:
        """The runs of the lambda search: the grid on one seed."""
        return [
            Run(cell, f"{lambda_:g}", self.search_seed)
            for lambda_ in self.config.unlabeled_weight_grid
        ]

    def fixed_runs(self, cell: Cell) -> list[Run]:
        """The cell's runs whose folders are known before the search has chosen lambda.

        Those of all seeds, or with `search_seed: first` of all but the first.
        """
        if self.searched(cell):
            seeds = self.config.seeds[1:] if self.search_is_first else self.config.seeds
            return [Run(cell, SELECTED, seed) for seed in seeds]
        given, objective = self.config.unlabeled_weight, self.method(cell).objective
        if isinstance(given, dict):
            given = given.get(objective, 1.0)
        lambda_ = "0" if objective == "none" else f"{given:g}"
        return [Run(cell, lambda_, seed) for seed in self.config.seeds]

    def runs(self, cells: list[Cell]) -> Iterator[Run]:
        """All runs of `cells` that are trained to the end; those of a full search included."""
        for cell in cells:
            if self.searched(cell) and not self.halves:
                yield from self.search_runs(cell)
            yield from self.fixed_runs(cell)

    def needs(self, cell: Cell) -> set[str]:
        """What a run of the cell must have at hand beside data and split."""
        needs = set(SOURCES[self.method(cell).source].needs)
        return needs | ({"foundation_classifier"} if self.config.training.pretrained else set())

    def ratio(self, cell: Cell) -> int:
        """Unlabeled images for each labeled one in a batch; 0 if there are none."""
        method = self.method(cell)
        if method.source == "none":
            return 0
        return self.config.unlabeled_ratio.of(method.ratio or cell.setting)

    def steps_factor(self, cell: Cell) -> int:
        """Classifier steps for each step of the runs that share the number of steps."""
        as_scr = self.method(cell).budget == "images"
        return images_a_step("scr", 1, self.config.unlabeled_ratio.generative) if as_scr else 1

    def settings(self, cell: Cell) -> RunSettings:
        """The slice of the configuration that a run of the cell depends on."""
        config, method, generates = self.config, self.method(cell), "generator" in self.needs(cell)
        views = config.augmentation
        labeled = views.of_labeled(method.labeled_view or views.labeled_view)
        return RunSettings(
            source=method.source,
            objective=method.objective,
            objective_options=config.objectives.of(method.objective),
            unlabeled_ratio=self.ratio(cell),
            steps_factor=self.steps_factor(cell),
            foundation_classes=method.classes and config.foundation.classes_of(method.classes),
            class_map=config.foundation.mapped_classes() if method.source == "mapped" else None,
            lmo=self.lmo(cell) if method.source == "lmo" else None,
            training=config.training,
            augmentation=Augmentation(labeled=labeled)
            if method.source == "none"
            else views.model_copy(update={"labeled": labeled, "labeled_view": "weak"}),
            truncation=config.foundation.truncation if generates else None,
            generator=self._entry_point() if generates else None,
        )

    def _entry_point(self) -> EntryPoint | None:
        generator = self.config.foundation.generator
        if generator.kind != "python":
            return None
        source = file_digest(entry_source(generator.entry))
        return EntryPoint(entry=generator.entry, options=generator.options, source=source)


def images_a_step(objective: str, batch_size: int, ratio: int) -> int:
    """Images that pass the classifier in its own step: the labeled ones, the unlabeled ones' views.

    What LMO passes through it to learn is not counted; the seconds of a run hold it.

    Args:
        objective: name of the objective; `supervised` sees one view, the others two.
        batch_size: number of labeled images.
        ratio: number of unlabeled images for each of them.
    """
    views = 1 if objective == "supervised" else 2
    return batch_size * (1 + views * ratio)


def run_modules(settings: RunSettings) -> list[str]:
    """The modules from which the code of a run is reached: the runner, its source, its objective.

    They are what `mpssl.common.code_digest` is told.
    """
    names = [SOURCES[settings.source].location, OBJECTIVES.get(settings.objective)]
    return ["mpssl.runs.runner", *(name.partition(":")[0] for name in names if name)]
