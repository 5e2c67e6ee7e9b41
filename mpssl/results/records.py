"""The records of runs: which there are, which belong together, which lambda wins.

Only records that fit the configuration, each other and the inputs on disk reach a table: `Records`
is the one way to read them.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpssl.common.errors import UserError
from mpssl.common.files import as_json, file_digest, read_made
from mpssl.config.experiment import Config
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.input_digests import lying_there
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan


@dataclass(frozen=True)
class CellRecords:
    """The runs of one cell: their records in the order of the seeds, and what is missing."""

    records: list[dict]
    missing: list[str]


class Records:
    """The finished runs of an experiment that may stand side by side.

    Args:
        config: of the experiment; runs made under other settings are refused.
        cells: whose runs are all wanted. Those of other cells are asked for by `of` and left out,
            with a line that says so, where they do not belong to these.

    Raises:
        UserError: a record of `cells` is damaged, or does not belong to the others.
    """

    def __init__(self, config: Config, cells: Iterable[Cell]) -> None:
        self.config, self.plan = config, Plan(config)
        self._cells: dict[Cell, CellRecords] = {}
        self._searches: dict[Cell, list[tuple[Run, dict]]] = {}
        self._on_disk: dict[tuple[str, str], str | None] = {}
        self._kept: list[dict] = []
        for cell in dict.fromkeys(cells):
            self._read(cell)
        self._refuse_mixture(self._kept)

    def of(self, cell: Cell) -> CellRecords:
        """The finished runs of a cell, one a seed, and the names of those that are missing."""
        if cell not in self._cells:
            before = len(self._kept)
            try:
                self._read(cell)
                self._refuse_mixture(self._kept)
            except UserError as error:
                print(f"left out: {error}", flush=True)
                del self._kept[before:]
                names = [self._name(cell, seed) for seed in self.config.seeds]
                self._cells[cell], self._searches[cell] = CellRecords([], names), []
        return self._cells[cell]

    @property
    def every(self) -> list[dict]:
        """All finished runs of the cells so far, those of their searches among them."""
        return list(self._kept)

    def search(self, cell: Cell) -> list[tuple[Run, dict]]:
        """The finished runs of a cell's search for lambda."""
        self.of(cell)
        return self._searches[cell]

    def _name(self, cell: Cell, seed: int) -> str:
        for run in self.plan.fixed_runs(cell):
            if run.seed == seed:
                return run.id
        return f"{cell.id}/lambda-{SELECTED}/seed-{seed}"

    def _read(self, cell: Cell) -> None:
        found = {run: read_record(self.config, run) for run in self.plan.runs([cell])}
        search = self.plan.search_runs(cell) if self.plan.searched(cell) else []
        self._searches[cell] = [(run, r) for run in search if (r := found[run]) is not None]
        runs: list[Run | None] = list(self.plan.fixed_runs(cell))
        if self.plan.searched(cell):
            runs.insert(0, self._chosen(cell, found))
        chosen = [found[run] if run is not None else None for run in runs]
        missing = [
            self._name(cell, seed)
            for seed, record in zip(self.config.seeds, chosen, strict=True)
            if record is None
        ]
        self._cells[cell] = CellRecords([r for r in chosen if r is not None], missing)
        self._kept += [record for record in found.values() if record is not None]

    def _chosen(self, cell: Cell, found: dict[Run, dict | None]) -> Run | None:
        """The search's winner, or None where the search has not ended.

        Raises:
            UserError: it was chosen among other runs than there are.
        """
        path = Paths(self.config).selected(cell)
        if not path.exists():
            return None
        selected = read_made(path)
        chosen = Run(cell, selected["weight"], self.config.seeds[0])
        for run in self.plan.search_runs(cell):
            record = found[run]
            known = selected["val_accuracy"].get(run.weight)
            if record is not None and record["val_accuracy"] != known:
                _refuse_selected(path, run)
        if chosen not in found:
            _refuse_selected(path, chosen)
        return chosen

    def _refuse_mixture(self, records: list[dict]) -> None:
        """Raise UserError where records were made from different versions of one input."""
        made_from: dict[tuple[str, str], list[tuple[str, dict]]] = {}
        for record in records:
            for what, digest in input_digests(record).items():
                made_from.setdefault(what, []).append((digest, record))
        for what, versions in made_from.items():
            if what not in self._on_disk:
                self._on_disk[what] = lying_there(self.config, *what)
            right, of = self._on_disk[what], "the one on disk"
            if right is None:
                right, count = Counter(digest for digest, _ in versions).most_common(1)[0]
                of = f"that of {count} other runs"
            wrong = [(digest, record) for digest, record in versions if digest != right]
            if wrong:
                digest, record = wrong[0]
                folder = Paths(self.config).run(record["run"])
                more = f", as were {len(wrong) - 1} more" if len(wrong) > 1 else ""
                raise UserError(
                    f"runs do not belong together: {record['run']} was made with {_words(*what)} "
                    f"of digest {digest}{more}; {of} has {right}; delete {folder} "
                    "(or all of runs/) and run snakemake again"
                )


def input_digests(record: dict) -> dict[tuple[str, str], str]:
    """The digests of a run's inputs that all runs with the same input share.

    Returns:
        Digest by its name and of what it is: a data set, split, architecture or method's code.
    """
    dataset, architecture = record["dataset"], record["architecture"]
    code = f"{record['settings']['source']} and {record['settings']['objective']}"
    of = {
        "data": dataset,
        "split": f"{dataset}/{record['fraction']}",
        "foundation_classifier": architecture,
        "code": code,
        "generator": "",
        "foundation_images": "",
    }
    return {(name, of[name]): d for name, d in record["digests"].items() if name in of}


def _words(name: str, of: str) -> str:
    words = name.replace("_", " ")
    return f"the {words} of {of}" if of else f"the {words}"


def read_record(config: Config, run: Run) -> dict | None:
    """The metrics.json of a run, or None where the run has not finished.

    Raises:
        UserError: the file is damaged, of another run, or made under another configuration.
    """
    folder = Paths(config).run(run)
    path = folder / "metrics.json"
    if not path.exists():
        return None
    record = read_made(path)
    weight = record["lambda"] if run.weight == SELECTED else float(run.weight)
    expected = {"experiment": config.experiment, "run": run.id, "lambda": weight}
    expected["settings"] = as_json(Plan(config).settings(run.cell))
    if place := _difference({key: record.get(key) for key in expected}, expected):
        key, found, wanted = place
        raise UserError(
            f"{path} does not belong to this experiment: its {key} is {found!r}, the configuration "
            f"says {wanted!r}; delete {folder} and run snakemake again"
        )
    return record


def run_file(config: Config, record: dict, name: str) -> Path:
    """The path of a file that a run wrote, verified.

    Raises:
        UserError: it is missing, or not the one that the run wrote.
    """
    path = Paths(config).run(record["run"]) / name
    if not path.exists() or file_digest(path) != record["files"].get(name):
        raise UserError(
            f"{path} is missing or not the file that its run wrote; delete {path.parent} and run "
            "snakemake again"
        )
    return path


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
