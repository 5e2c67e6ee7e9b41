"""What a table, figure or page is made again for."""

import copy
import os

import pytest

from mpssl.config.reading import resolve
from mpssl.plan import recipes as module
from mpssl.plan.experiment import Experiment
from mpssl.plan.recipes import make_again, recipes, stale, write_recipes

PAGES = {"runs", "claims", "report"}


@pytest.fixture
def grids(content):
    columns = {"datasets": "main", "rows": ["base/base"]}
    content["figures"] = {"dots": {"kind": "dots", "title": "Dots"} | columns}
    return content


def changed(before, after):
    old, new = recipes(Experiment(resolve(before))), recipes(Experiment(resolve(after)))
    return {name for name in new if old.get(name) != new[name]}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("store", "/elsewhere", set()),
        ("tables.first.title", "Other", {"first", "report"}),
        ("figures.dots.title", "Other", {"dots", "report"}),
        ("datasets.mnist.title", "Other", {"first", "second", "dots", *PAGES}),
        ("methods.base.base.label", "Other", {"first", "second", "dots", *PAGES}),
        ("lmo", {"gap_weight": 1.0}, {"first", *PAGES}),
        ("training", {"epochs": 7}, {"first", "second", "dots", *PAGES}),
        ("seeds", [3, 4], {"first", "second", "dots", *PAGES}),
        ("paper_results", "/mine.csv", {"first", "second", "dots", "report"}),
    ],
)
def test_a_recipe_changes_with_what_the_thing_is_made_of(grids, key, value, expected):
    after = copy.deepcopy(grids)
    *path, last = key.split(".")
    part = after
    for name in path:
        part = part[name]
    part[last] = value
    assert changed(grids, after) == expected


def test_the_answers_recipe_has_its_threshold(content):
    content |= {"answer": {"rows": ["generative/pssl"]}, "domain": {"far": 2.0}}
    after = content | {"domain": {"far": 3.0}}
    assert "answer" in changed(content, after)


def test_code_that_counts_is_in_a_recipe(grids, monkeypatch):
    before, whole = recipes(Experiment(resolve(grids))), module.code_digest
    monkeypatch.setattr(
        module, "code_digest", lambda *m: whole(*m) + "x" * ("mpssl.results.figures" in m)
    )
    after = recipes(Experiment(resolve(grids)))
    assert {name for name in after if after[name] != before[name]} == {"dots", "report"}


def test_what_is_older_than_its_recipe_or_of_another_one_is_stale(grids, own_results):
    experiment = Experiment(resolve(grids))
    write_recipes(experiment)
    table, figure = experiment.paths.table("first", "md"), experiment.paths.figure("dots", "png")
    for path in (table, figure):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert stale(experiment) == []
    os.utime(table, (1, 1))
    assert stale(experiment) == ["first"]
    table.touch()
    before = experiment.paths.recipe("first").stat().st_mtime_ns
    write_recipes(experiment)
    assert experiment.paths.recipe("first").stat().st_mtime_ns == before  # nothing has changed
    grids["figures"]["dots"]["title"] = "Other"
    assert stale(Experiment(resolve(grids))) == ["dots"]


def test_what_shows_a_lost_run_is_made_again_each_time(grids, own_results):
    """Snakemake compares contents: a recipe that was merely touched is none that changed."""
    experiment = Experiment(resolve(grids))
    write_recipes(experiment)
    few, dots = experiment.paths.recipe("first"), experiment.paths.recipe("dots")
    only = set(experiment.plan.cells("first")) - set(experiment.plan.cells("dots"))
    texts, other = [few.read_text()], dots.read_text()
    for _ in range(2):
        make_again(experiment, only)
        texts.append(few.read_text())
    assert len(set(texts)) == 3
    assert dots.read_text() == other
    write_recipes(experiment)  # of the same digest: the next start does nothing
    assert few.read_text() == texts[-1]
