"""Runs in the store: each is trained once, and found there by whoever needs it."""

from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import read_made
from mpssl.common.once import DONE, make_once
from mpssl.plan.cells import SELECTED, Run
from mpssl.plan.experiment import Experiment


def train_once(experiment: Experiment, run: Run, threads: int) -> None:
    """Train a run unless the store has it, and link to it from the experiment's results.

    Args:
        experiment: whose run it is.
        run: the run; if its lambda is the chosen one, the run with that lambda is trained.
        threads: of the CPU.

    Raises:
        UserError: the run cannot be trained.
        Preempted: a signal came; the same call goes on from the checkpoint.
    """
    wanted = with_chosen_lambda(experiment, run)
    files = experiment.paths.run(wanted)

    def make() -> None:
        from mpssl.runs.runner import execute

        execute(experiment, wanted, threads)

    link(experiment.paths.link(run), files.folder)
    if run.lambda_ == SELECTED:
        link(experiment.paths.run(run).folder, files.folder)
    make_once(files.folder, files.record, make)
    for left in (*files.folder.glob("checkpoint*.pt"), files.progress):
        left.unlink(missing_ok=True)  # by a run that was killed after its record
    if run.lambda_ == SELECTED:
        (experiment.paths.run(run).folder.parent / DONE).touch()


def with_chosen_lambda(experiment: Experiment, run: Run) -> Run:
    """The run whose lambda is a number: the search's outcome, where it is to be chosen.

    Raises:
        UserError: the search has not ended.
    """
    if run.lambda_ != SELECTED:
        return run
    chosen = read_made(experiment.paths.selected(run.cell))["lambda"]
    return Run(run.cell, chosen, run.seed)


def link(place: Path, folder: Path) -> None:
    """Make `place` a relative link to a folder, which may not be there yet.

    Raises:
        UserError: something else is at that place that a person may want.
    """
    target = Path(*[".."] * len(place.parent.parts), folder)
    if folder.is_absolute() or place.is_absolute():
        target = folder.absolute()
    if place.is_symlink():
        if place.readlink() == target:
            return
        place.unlink()
    elif place.is_dir():
        try:
            place.rmdir()
        except OSError:
            raise UserError(
                f"{place} is a folder of its own where a link to {folder} belongs; `mpssl adopt` "
                "takes runs of an earlier version into the store"
            ) from None
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)
