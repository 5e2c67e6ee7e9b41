"""From names in the store back to what they are names of."""

from mpssl.common.errors import UserError
from mpssl.common.once import DONE
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment


class Known(dict):
    """What names stand for; asking for another one raises UserError."""

    def __missing__(self, name: str):
        raise UserError(f"nothing in this configuration is called {name}")


class Index:
    """What the names of an experiment's runs, searches, splits and distances stand for."""

    def __init__(self, experiment: Experiment) -> None:
        plan, names = experiment.plan, experiment.names
        self.runs: dict[str, Run] = Known()
        self.chosen: dict[str, Run] = Known()
        self.searches: dict[str, Cell] = Known()
        self.splits: dict[str, tuple[str, int, int]] = Known()
        self.domains: dict[str, tuple[str, str]] = Known()
        self.checks: dict[str, str] = Known()
        generator = experiment.config.foundation.generator
        pool = generator.kind == "images"
        if pool and generator.make and (varied := generator.make.variations):
            split = varied.dataset, varied.fraction, 0
            self.splits[names.split(*split)] = split
        for cell in dict.fromkeys([*plan.all_cells(), *plan.answer_cells()]):
            if plan.searched(cell):
                self.searches[names.search(cell)] = cell
            for run in plan.runs([cell]):
                if run.lambda_ == SELECTED:
                    self.chosen[names.chosen(run)] = run
                else:
                    self.runs.setdefault(names.run(run), run)
                split = cell.dataset, cell.fraction, run.seed
                self.splits.setdefault(names.split(*split), split)
            if pool and cell.dataset not in self.checks.values():
                self.checks[names.pool_check(cell.dataset)] = cell.dataset
            if experiment.config.domain and "generator" in plan.needs(cell):
                of = cell.dataset, cell.architecture
                self.domains[names.domain(*of)] = of


def forget_lost(experiment: Experiment, index: Index) -> None:
    """Take back that a run is chosen whose folder was deleted, so that it is trained again."""
    for run in index.chosen.values():
        files = experiment.paths.run(run)
        if not files.record.exists():
            (files.folder.parent / DONE).unlink(missing_ok=True)
