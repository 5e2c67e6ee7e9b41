"""What each experiment that uses a store refers to, so that the rest of it may be removed."""

import time
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

from mpssl.common.files import json_digest, read_made, write_made
from mpssl.common.once import DONE
from mpssl.plan.experiment import Experiment
from mpssl.plan.index import Index

KINDS = ("packed", "splits", "generators", "pools", "checks", "classifiers", "domain")
KINDS += ("searches", "chosen", "runs")
EXPERIMENTS = "experiments"  # folder of the store that this module keeps
DAY_S = 86_400


@dataclass(frozen=True)
class Registered:
    """What an experiment has written down."""

    file: Path
    results: Path
    """Where its results were."""
    folders: frozenset[Path]
    """Those of the store that it refers to."""

    @property
    def gone(self) -> bool:
        """Whether its results are no longer there, so that it counts for nothing."""
        return not self.results.exists()


@dataclass(frozen=True)
class Unused:
    """A folder of the store that no experiment refers to."""

    folder: Path
    bytes: int
    days: float
    """Since it was made, or last written to if it is not whole."""


def register(experiment: Experiment, index: Index) -> None:
    """Write down in the store what an experiment refers to, and where its results are.

    Results beside the store are named from there, as both may be moved or copied together.
    """
    paths, names = experiment.paths, experiment.names
    results, beside = paths.results.absolute(), paths.store.absolute().parent
    if results.is_relative_to(beside):
        results = Path("..", results.relative_to(beside))
    cells = {run.cell for run in [*index.runs.values(), *index.chosen.values()]}
    datasets = {cell.dataset for cell in cells}
    if experiment.config.foundation.dataset is not None:
        datasets.add(experiment.config.foundation.dataset)
    # Of a search by halving some runs do not end, and are gone on with if they are wanted later.
    searched = index.searches.values()
    begun = [names.run(run) for cell in searched for run in experiment.plan.search_runs(cell)]
    refers = {
        "packed": sorted(map(names.packed, datasets)),
        "splits": sorted(index.splits),
        "generators": [maker.names.generator()] if (maker := experiment.maker) else [],
        "pools": [names.generator()],
        "checks": sorted(index.checks),
        "classifiers": sorted(map(names.classifier, {cell.architecture for cell in cells})),
        "domain": sorted(index.domains),
        "searches": sorted(index.searches),
        "chosen": sorted(index.chosen),
        "runs": sorted({*index.runs, *begun}),
    }
    path = paths.store / EXPERIMENTS / f"{json_digest(str(results))}.json"
    write_made(path, {"results": str(results), "refers": refers})


def registered(store: Path) -> list[Registered]:
    """What the experiments have written down that use a store.

    Raises:
        UserError: one of these files is damaged.
    """
    found = []
    for file in sorted((store / EXPERIMENTS).glob("*.json")):
        known = read_made(file)
        folders = (store / kind / n for kind, names in known["refers"].items() for n in names)
        results = Path(normpath(store / known["results"]))
        found.append(Registered(file, results, frozenset(folders)))
    return found


def unused(store: Path) -> list[Unused]:
    """The folders of a store that no experiment refers to whose results are still there.

    Raises:
        UserError: what an experiment has written down is damaged.
    """
    used = {f for known in registered(store) if not known.gone for f in known.folders}
    used |= {(f / "run").resolve() for f in list(used) if f.parent.name == "chosen"}
    used = {folder.resolve() for folder in used}
    folders = [f for kind in KINDS for f in (store / kind).glob("*") if f.resolve() not in used]
    return [_unused(folder) for folder in sorted(folders)]


def _unused(folder: Path) -> Unused:
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    done = folder / DONE
    last = max((f.stat().st_mtime for f in ([done] if done.exists() else files)), default=0)
    size = sum(file.stat().st_size for file in files)
    return Unused(folder, size, (time.time() - last) / DAY_S)
