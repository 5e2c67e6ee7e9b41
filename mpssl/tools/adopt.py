"""Runs of versions that named a run's folder by what it is: taken into the store."""

import shutil
from pathlib import Path

from mpssl.common.code_digest import code_digest
from mpssl.common.errors import UserError
from mpssl.common.files import read_made
from mpssl.common.once import DONE
from mpssl.plan.cells import SELECTED, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.input_digests import digest_on_disk
from mpssl.plan.plan import run_modules
from mpssl.runs.record import RunRecord


def adopt(experiment: Experiment) -> str:
    """Move the runs in `results/EXPERIMENT/runs` to the store that would come out the same today.

    Their records say of which settings, code and inputs they are; the inputs must be in the store.
    What cannot be taken goes to `runs.earlier` beside it, and the reason is said.

    Returns:
        A line for each reason, with the number of runs.

    Raises:
        UserError: there are no such runs, or the inputs have not been made.
    """
    earlier = experiment.paths.results / "runs"
    folders = sorted(path.parent for path in earlier.rglob("metrics.json") if _own(path, earlier))
    if not folders:
        raise UserError(f"{earlier} has no runs of an earlier version")
    outcomes = [_adopt(experiment, folder, earlier) for folder in folders]
    kept = earlier.with_name("runs.earlier")
    if kept.exists():
        raise UserError(f"{kept} is there already; move it away first")
    earlier.rename(kept)
    return "\n".join(f"{outcomes.count(o)} runs: {o}" for o in dict.fromkeys(outcomes))


def _own(path: Path, folder: Path) -> bool:
    """Whether a file is in a real folder, not behind a link to the store."""
    return not any(p.is_symlink() for p in path.parents if folder in p.parents)


def _adopt(experiment: Experiment, folder: Path, earlier: Path) -> str:
    try:
        run = Run.parse(str(folder.relative_to(earlier)))
        record = RunRecord.model_validate(read_made(folder / "metrics.json"))
    except (ValueError, UserError):
        return "left, as the record is damaged or of another version"
    if run.lambda_ == SELECTED:
        run = Run(run.cell, f"{record.lambda_:g}", run.seed)
    try:
        settings = experiment.plan.settings(run.cell)
    except ValueError:
        return "left, as the configuration does not know their method"
    if record.settings != settings:
        return "left, as the configuration has other settings now"
    place = experiment.paths.run(run).folder
    for (name, of), digest in record.inputs(str(experiment.paths.split_of(run))).items():
        now = _code(experiment, run) if name == "code" else digest_on_disk(experiment, name, of)
        if now is None:
            raise UserError(
                f"the {name.replace('_', ' ')} of {run.id} is not in the store; make it with "
                "`snakemake --until split_pool train_generator train_foundation_classifier`, then "
                "run adopt again"
            )
        if now != digest:
            return f"left, as the {name.replace('_', ' ')} has changed"
    if place.exists():
        return "in the store already"
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(folder, place)
    (place / DONE).touch()
    return "taken into the store"


def _code(experiment: Experiment, run: Run) -> str:
    return code_digest(*run_modules(experiment.plan.settings(run.cell)))
