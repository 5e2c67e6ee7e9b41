"""What in a store is in use, and what is not."""

import shutil
from pathlib import Path

import pytest

from mpssl.common.errors import UserError
from mpssl.common.once import DONE
from mpssl.config.reading import resolve
from mpssl.plan.cells import SELECTED, Run
from mpssl.plan.experiment import Experiment
from mpssl.plan.index import Index, forget_lost
from mpssl.plan.registry import register, registered, unused


@pytest.fixture
def experiment(content, own_results):
    """A searched experiment whose runs are in its store, a chosen one by a link, and another's."""
    experiment = Experiment(resolve(content))
    index, paths = Index(experiment), experiment.paths
    for run in index.runs.values():
        make(paths.run(run).folder)
    for run in index.chosen.values():
        (paths.run(run).folder.parent).mkdir(parents=True)
        (paths.run(run).folder.parent / DONE).touch()
        chosen = Run(run.cell, "1", run.seed)
        make(paths.run(chosen).folder)
        paths.run(run).folder.symlink_to(paths.run(chosen).folder)
    make(paths.store / "runs" / "of-nobody")
    paths.results.mkdir()
    return experiment


def make(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "metrics.json").write_text("12345")
    (folder / DONE).touch()


def names(found):
    return [item.folder.name for item in found]


def test_what_no_experiment_refers_to_is_not_in_use(experiment):
    store = experiment.paths.store
    register(experiment, Index(experiment))
    assert names(unused(store)) == ["of-nobody"]
    assert unused(store)[0].bytes == 5
    assert unused(store)[0].days < 1


def test_an_experiment_whose_results_are_gone_refers_to_nothing(experiment):
    register(experiment, Index(experiment))
    shutil.rmtree(experiment.paths.results)
    kept = list((experiment.paths.store / "runs").iterdir())
    assert {f"{f.name}" for f in kept} <= set(names(unused(experiment.paths.store)))


def test_results_that_are_moved_with_their_store_are_found(experiment):
    register(experiment, Index(experiment))
    store = experiment.paths.store
    moved = store.parent.rename(store.parent.with_name("moved"))
    (known,) = registered(moved / store.name)
    assert known.results == moved / experiment.paths.results.relative_to(store.parent)
    assert not known.gone


def test_a_damaged_register_is_refused(experiment):
    """What it no longer says would be taken for unused."""
    register(experiment, Index(experiment))
    (path,) = (experiment.paths.store / "experiments").iterdir()
    path.write_text(path.read_text()[:40])
    with pytest.raises(UserError, match="is missing or damaged"):
        unused(experiment.paths.store)


def test_a_choice_is_forgotten_if_its_run_was_deleted(experiment):
    index, paths = Index(experiment), experiment.paths
    first, *others = index.chosen.values()
    assert first.lambda_ == SELECTED
    shutil.rmtree(paths.run(first).folder.resolve())
    forget_lost(experiment, index)
    assert not (paths.run(first).folder.parent / DONE).exists()
    assert all((paths.run(run).folder.parent / DONE).exists() for run in others)
