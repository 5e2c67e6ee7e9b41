"""The records of runs: which there are, which belong together, which lambda wins.

Only records that fit the configuration, each other and the inputs on disk reach a table: `Records`
is the one way to read them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, read_made
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.input_digests import digest_on_disk
from mpssl.plan.paths import RunFiles
from mpssl.runs.record import RunRecord


@dataclass(frozen=True)
class CellRecords:
    """The runs of one cell: their records in the order of the seeds, and what is missing."""

    records: list[RunRecord]
    missing: list[str]


class Records:
    """The finished runs of an experiment that may stand side by side.

    Args:
        experiment: whose runs they are; runs made under other settings are refused.
        cells: whose runs are all wanted. Those of other cells are asked for by `of` and left out,
            with a line that says so, where they do not belong to these.

    Raises:
        UserError: a record of `cells` is damaged, or does not belong to the others.
    """

    def __init__(self, experiment: Experiment, cells: Iterable[Cell]) -> None:
        self.experiment, self.plan = experiment, experiment.plan
        self._cells: dict[Cell, CellRecords] = {}
        self._searches: dict[Cell, list[RunRecord]] = {}
        self._on_disk: dict[tuple[str, str], str | None] = {}
        self._kept: list[RunRecord] = []
        for cell in dict.fromkeys(cells):
            self._read(cell)
        self._refuse_mixture(self._kept)

    def of(self, cell: Cell) -> CellRecords:
        """The finished runs of a cell, one a seed, and the names of those that are missing."""
        if cell not in self._cells:
            before = len(self._kept)
            try:
                if reason := self.plan.impossible(cell):
                    raise UserError(f"{cell.id}: {reason}")
                self._read(cell)
                self._refuse_mixture(self._kept)
            except UserError as error:
                print(f"left out: {error}", flush=True)
                del self._kept[before:]
                names = [self._name(cell, seed) for seed in self.experiment.config.seeds]
                self._cells[cell], self._searches[cell] = CellRecords([], names), []
        return self._cells[cell]

    @property
    def every(self) -> list[RunRecord]:
        """All finished runs of the cells so far, those of their searches among them."""
        return list(self._kept)

    def search(self, cell: Cell) -> list[RunRecord]:
        """The finished runs of a cell's search for lambda."""
        self.of(cell)
        return self._searches[cell]

    def won_search(self, record: RunRecord) -> bool:
        """Whether a run is its seed's because it won the search (`search_seed: first`)."""
        return self.plan.searched(record.run.cell) and record.run.lambda_ != SELECTED

    def _name(self, cell: Cell, seed: int) -> str:
        for run in self.plan.fixed_runs(cell):
            if run.seed == seed:
                return run.id
        return f"{cell.id}/lambda-{SELECTED}/seed-{seed}"

    def _read(self, cell: Cell) -> None:
        search = self.plan.search_runs(cell) if self.plan.searched(cell) else []
        needed = dict.fromkeys([*search, *self.plan.fixed_runs(cell)])
        found = {run: read_record(self.experiment, run) for run in needed}
        self._searches[cell] = [r for run in search if (r := found[run]) is not None]
        runs: list[Run | None] = list(self.plan.fixed_runs(cell))
        winner = self._chosen(cell, found) if self.plan.searched(cell) else None
        if self.plan.searched(cell) and self.plan.search_is_first:
            runs.insert(0, winner)
        chosen = [found[run] if run is not None else None for run in runs]
        missing = [
            self._name(cell, seed)
            for seed, record in zip(self.experiment.config.seeds, chosen, strict=True)
            if record is None
        ]
        self._cells[cell] = CellRecords([r for r in chosen if r is not None], missing)
        self._kept += [record for record in found.values() if record is not None]

    def _chosen(self, cell: Cell, found: dict[Run, RunRecord | None]) -> Run | None:
        """The search's winner, or None where the search has not ended.

        Raises:
            UserError: it was chosen among other runs than there are.
        """
        path = self.experiment.paths.selected(cell)
        if not path.exists():
            return None
        selected = read_made(path)
        chosen = Run(cell, selected["lambda"], self.plan.search_seed)
        epochs = self.experiment.config.training.epochs
        for run in self.plan.search_runs(cell):
            record = found[run]
            known = selected["val_accuracy"].get(run.lambda_)
            whole = selected.get("epochs", {}).get(run.lambda_, epochs) == epochs
            if record is not None and whole and record.val_accuracy != known:
                _refuse_selected(path, run)
        if chosen not in found:
            _refuse_selected(path, chosen)
        return chosen

    def _refuse_mixture(self, records: list[RunRecord]) -> None:
        """Raise UserError where records were made from different versions of one input."""
        made_from: dict[tuple[str, str], list[tuple[str, RunRecord]]] = {}
        for record in records:
            split = str(self.experiment.paths.split_of(record.run))
            for what, digest in record.inputs(split).items():
                made_from.setdefault(what, []).append((digest, record))
        for what, versions in made_from.items():
            if what not in self._on_disk:
                self._on_disk[what] = digest_on_disk(self.experiment, *what)
            right, of = self._on_disk[what], "the one on disk"
            if right is None:
                right, count = Counter(digest for digest, _ in versions).most_common(1)[0]
                of = f"that of {count} other runs"
            wrong = [(digest, record) for digest, record in versions if digest != right]
            if wrong:
                digest, record = wrong[0]
                folder = self.experiment.paths.run(record.run).folder
                more = f", as were {len(wrong) - 1} more" if len(wrong) > 1 else ""
                raise UserError(
                    f"runs do not belong together: {record.run.id} was made with {_words(*what)} "
                    f"of digest {digest}{more}; {of} has {right}; delete {folder} "
                    "and run snakemake again"
                )


def _words(name: str, of: str) -> str:
    words = name.replace("_", " ")
    return f"the {words} of {of}" if of else f"the {words}"


def read_record(experiment: Experiment, run: Run) -> RunRecord | None:
    """The record of a run, or None if the run has not finished.

    It may have been trained for another experiment, or as another row of the same settings; its
    `run` is the one that was asked for.

    Raises:
        UserError: the file is damaged, or made under other settings than its folder's name says.
    """
    files = experiment.paths.run(run)
    if not files.record.exists():
        return None
    content = read_made(files.record)
    try:
        record = RunRecord.model_validate(content)
    except ValidationError:
        raise UserError(
            f"{files.record} is no record of this version; delete {files.folder} and run snakemake "
            "again"
        ) from None
    found = {"seed": record.run.seed, "settings": record.settings}
    expected = {"seed": run.seed, "settings": experiment.plan.settings(run.cell)}
    if run.lambda_ != SELECTED:
        found["lambda"], expected["lambda"] = record.lambda_, float(run.lambda_)
    if found != expected:
        key, there, wanted = _difference(_plain(found), _plain(expected))
        raise UserError(
            f"{files.record} does not belong to this experiment: its {key} is {there!r}, the "
            f"configuration says {wanted!r}; delete {files.folder} and run snakemake again"
        )
    return record.model_copy(update={"run": run})


def verified_file(record: RunRecord, files: RunFiles, path: Path) -> Path:
    """One of the files that a run wrote.

    Raises:
        UserError: it is missing, or not the one that the run wrote.
    """
    name = str(path.relative_to(files.folder))
    if not path.exists() or file_digest(path) != record.files.get(name):
        raise UserError(
            f"{path} is missing or not the file that its run wrote; delete {files.folder} and run "
            "snakemake again"
        )
    return path


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with settings as plain data."""
    return values | {"settings": values["settings"].model_dump(mode="json")}


def _difference(found: Any, wanted: Any, place: str = "") -> tuple[str, Any, Any] | None:
    """The first place where two plain values differ, and both values there."""
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in wanted | found:
            inner = _difference(found.get(key), wanted.get(key), f"{place}.{key}".strip("."))
            if inner is not None:
                return inner
        return None
    return None if found == wanted else (place, found, wanted)


def _refuse_selected(path: Path, run: Run) -> None:
    raise UserError(
        f"{path} was chosen in another search: it does not agree with {run.id}; delete it and run "
        "snakemake again"
    )
