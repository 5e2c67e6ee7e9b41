"""What changes the name of a thing, and what does not."""

import copy
import shutil

import pytest
from PIL import Image

from mpssl.common.files import write_json
from mpssl.config.reading import resolve
from mpssl.plan import names as module
from mpssl.plan.cells import SELECTED, Cell, Run
from mpssl.plan.experiment import Experiment

BASE = Cell("mnist", 50, "base", "base", "default", "resnet8")
MPSSL = Cell("mnist", 50, "generative", "mpssl", "default", "resnet8")
PARTS = {
    "packed": lambda names: names.packed("mnist"),
    "split": lambda names: names.split("mnist", 50, 3),
    "generator": lambda names: names.generator(),
    "classifier": lambda names: names.classifier("resnet8"),
    "base": lambda names: names.run(Run(BASE, "0", 3)),
    "mpssl": lambda names: names.run(Run(MPSSL, "1", 3)),
    "search": lambda names: names.search(MPSSL),
    "chosen": lambda names: names.chosen(Run(MPSSL, SELECTED, 3)),
}
PRETRAINED = {"classifier", "base", "mpssl", "search", "chosen"}
OF_MPSSL = {"mpssl", "search", "chosen"}


def named(content):
    names = Experiment(resolve(content)).names
    return {part: of(names) for part, of in PARTS.items()}


@pytest.mark.parametrize(
    ("key", "value", "changed"),
    [
        ("experiment", "other", set()),
        ("store", "/elsewhere", set()),
        ("datasets.mnist.title", "Other", set()),
        ("tables.first.title", "Other", set()),
        ("device", "cpu", set()),
        ("seeds", [3, 7], set()),
        ("datasets.digits.pool_size", 21, set()),
        ("datasets.mnist.seed", 1, {"packed", "split", "base", *OF_MPSSL}),
        ("datasets.glyphs.seed", 1, {"generator", *PRETRAINED}),
        ("packing", {"size": 224}, set(PARTS)),
        ("split", {"seed": 1}, {"split", "base", *OF_MPSSL}),
        ("foundation.generator.steps", 2, {"generator", *OF_MPSSL}),
        ("foundation.classifier.steps", 2, PRETRAINED),
        ("foundation.truncation", 0.5, OF_MPSSL),
        ("training", {"epochs": 7}, {"base", *OF_MPSSL}),
        ("lmo", {"gap_weight": 1.0}, OF_MPSSL),
        ("unlabeled_weight_grid", [0.25, 2.0], {"search", "chosen"}),
        ("search_seed", 101, {"search", "chosen"}),
    ],
)
def test_a_name_changes_with_what_the_thing_is_made_of(content, changed, key, value):
    before = named(content)
    whole = copy.deepcopy(content)
    *path, last = key.split(".")
    part = whole
    for name in path:
        part = part[name]
    part[last] = value
    after = named(whole)
    assert {part for part in PARTS if before[part] != after[part]} == changed


def test_runs_differ_by_seed_lambda_and_split(content):
    names = Experiment(resolve(content)).names
    one = names.run(Run(MPSSL, "1", 3))
    assert one == names.run(Run(MPSSL, "1.0", 3))
    others = [Run(MPSSL, "1", 4), Run(MPSSL, "0.5", 3)]
    assert len({one, *map(names.run, others)}) == 3
    assert names.split("mnist", 50, 3) == names.split("mnist", 50, 4)
    by_seed = Experiment(resolve(content | {"split": {"drawn_for": "seed"}})).names
    assert by_seed.split("mnist", 50, 3) != by_seed.split("mnist", 50, 4)


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("mpssl.data.adapters", set(PARTS)),
        ("mpssl.data.split", {"split", "base", *OF_MPSSL}),
        ("mpssl.foundation.jobs", {"generator", *PRETRAINED}),
        ("mpssl.runs.runner", {"base", *OF_MPSSL}),
        ("mpssl.training.sources.lmo", OF_MPSSL),
        ("mpssl.results.collect", {"search", "chosen"}),
    ],
)
def test_code_that_counts_changes_the_names_of_what_it_makes(content, monkeypatch, code, changed):
    before, whole = named(content), module.code_digest
    monkeypatch.setattr(module, "code_digest", lambda *m: whole(*m) + "x" * (code in m))
    after = named(content)
    assert {part for part in PARTS if before[part] != after[part]} == changed


def test_cells_of_the_same_settings_are_one(content):
    content["methods"]["control"] = {
        "again": {"label": "Again", "source": "none", "objective": "none"}
    }
    names = Experiment(resolve(content)).names
    again = Cell("mnist", 50, "control", "again", "default", "resnet8")
    assert names.run(Run(again, "0", 3)) == names.run(Run(BASE, "0", 3))
    assert names.distinct([BASE, MPSSL, again]) == [BASE, MPSSL]


@pytest.fixture
def own(content, tmp_path):
    """An experiment with a folder of pictures, and that folder."""
    folder = tmp_path / "own"
    for number in range(4):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 40 * number).save(path)
    content["store"] = str(tmp_path / "store")
    content["datasets"]["own"] = {"adapter": "folder", "title": "Own", "path": str(folder)}
    return content, folder


def own_name(content):
    return Experiment(resolve(content)).names.packed("own")


def test_own_images_are_named_by_what_they_hold(own):
    content, folder = own
    before = own_name(content)
    (folder / "a/0.png").touch()
    assert own_name(content) == before
    moved = folder.with_name("elsewhere")
    shutil.copytree(folder, moved)
    content["datasets"]["own"]["path"] = str(moved)
    assert own_name(content) == before
    Image.new("L", (8, 8), 255).save(moved / "a/0.png")
    replaced = own_name(content)
    assert replaced != before
    (moved / "a/0.png").rename(moved / "b/0.png")
    assert own_name(content) not in (before, replaced)
    (moved / "b/0.png").unlink()
    assert own_name(content) not in (before, replaced)


def test_a_class_by_another_name_is_another_data_set(own):
    content, folder = own
    before = own_name(content)
    (folder / "b").rename(folder / "z")
    assert own_name(content) != before


def test_an_edited_list_of_exclusions_is_another_data_set(own):
    content, folder = own
    listed = folder.parent / "excluded.csv"
    listed.write_text("place,file\npath,a/0.png\n")
    content["datasets"]["own"]["exclude"] = str(listed)
    before = own_name(content)
    listed.write_text("place,file\npath,a/2.png\n")
    assert own_name(content) != before


def test_a_job_sees_the_images_as_they_were_at_the_start(own, tmp_path, monkeypatch):
    content, folder = own
    monkeypatch.chdir(tmp_path)
    experiment = Experiment(resolve(content))
    experiment.write()
    before = experiment.names.packed("own")
    (folder / "a/0.png").unlink()
    assert Experiment.load(experiment.paths.resolved_config).names.packed("own") == before
    write_json(tmp_path / "mine.json", content)
    assert Experiment.load(tmp_path / "mine.json").names.packed("own") != before


def test_images_that_are_not_those_of_the_last_start_are_found(own, tmp_path, monkeypatch):
    content, folder = own
    monkeypatch.chdir(tmp_path)
    assert Experiment(resolve(content)).changed_images() == []
    Experiment(resolve(content)).write()
    (folder / "a/0.png").touch()
    assert Experiment(resolve(content)).changed_images() == []
    (folder / "a/0.png").rename(folder / "a/7.png")
    assert Experiment(resolve(content)).changed_images() == ["own"]
    Experiment(resolve(content)).write()
    assert Experiment(resolve(content)).changed_images() == []


def test_files_are_hashed_once_and_again_when_they_change(own, monkeypatch):
    content, folder = own
    monkeypatch.setattr("mpssl.data.fingerprint.WORTH_BYTES", 0)
    own_name(content)
    hashed = []
    digest = module.fingerprint.__globals__["hashlib"].file_digest

    def counted(file, kind):
        hashed.append(file.name)
        return digest(file, kind)

    monkeypatch.setattr("mpssl.data.fingerprint.hashlib.file_digest", counted)
    before = own_name(content)
    assert hashed == []
    Image.new("L", (8, 8), 255).save(folder / "a/0.png")
    assert own_name(content) != before
    assert hashed == [str(folder / "a/0.png")]
