"""`mpssl generate` and what follows it: the same images again, refusals, leaks."""

import json
import shutil

import numpy as np
import pytest
import yaml
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.data import store
from mpssl.foundation import pool
from mpssl.plan.experiment import Experiment
from tests.support.commands import fails, mpssl
from tests.support.pipeline import ROOT

pytestmark = pytest.mark.slow  # each packs the digits, or makes hundreds of images


@pytest.fixture
def project(tmp_path, monkeypatch):
    """The embedded benchmark with a pool, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load((ROOT / "config/mini.yaml").read_text())
    content["foundation"]["generator"] = {
        "kind": "images",
        "path": "pool",
        "make": {"generator": {"kind": "shipped"}, "images_per_class": 3},
    }
    content |= {"wanted": ["uses_of_images"], "device": "cpu"}
    (tmp_path / "pool.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def content_of(folder):
    files = (f for f in folder.rglob("*.png") if f.name != "sheet.png")
    return {str(f.relative_to(folder)): f.read_bytes() for f in files}


def test_the_same_call_makes_the_same_files_and_goes_on_where_it_stopped(project):
    assert mpssl("generate", "--config", "pool.yaml").returncode == 0
    whole = content_of(project / "pool")
    assert len(whole) == 3 * 98
    assert len(set(whole.values())) > 280
    assert {tuple(np.shape(Image.open(f))) for f in project.glob("pool/*/*.png")} == {(32, 32, 3)}
    said = json.loads((project / "pool/generator.json").read_text())
    assert said["generator"] == {"kind": "shipped"}
    assert (said["seed"], said["images_per_class"], said["image_size"]) == (0, 3, 32)
    assert (project / "pool/sheet.png").exists()

    (project / "pool/generator.json").unlink()  # stopped before the end
    shutil.rmtree(project / "pool/42")
    (project / "pool/97/000002.png").unlink()
    assert mpssl("generate", "--config", "pool.yaml").returncode == 0
    assert content_of(project / "pool") == whole

    more = ["--images-per-class", "4", "--to", "pool"]
    assert mpssl("generate", "--config", "pool.yaml", *more).returncode == 0
    grown = content_of(project / "pool")
    assert len(grown) == 4 * 98
    assert {name: grown[name] for name in whole} == whole

    fails(mpssl("generate", "--config", "pool.yaml"), "another images_per_class", "pool")
    fails(mpssl("generate", "--config", "pool.yaml", *more, "--seed", "1"), "another seed")
    (project / "mine").mkdir()
    (project / "mine/notes.txt").touch()
    other = ["--images-per-class", "1", "--to", "mine"]
    fails(mpssl("generate", "--config", "pool.yaml", *other), "mine holds notes.txt")


def test_a_seed_makes_other_images(project):
    for seed in ("0", "1"):
        words = ["--images-per-class", "1", "--to", f"of{seed}", "--seed", seed]
        assert mpssl("generate", "--config", "pool.yaml", *words).returncode == 0
    first, second = (content_of(project / f"of{seed}") for seed in "01")
    assert not set(first.values()) & set(second.values())


def test_what_is_not_said_is_asked_for(project):
    fails(mpssl("generate", "--config", str(ROOT / "config/mini.yaml")), "say --images-per-class")
    content = yaml.safe_load((project / "pool.yaml").read_text())
    del content["foundation"]["generator"]["make"]
    (project / "given.yaml").write_text(yaml.safe_dump(content))
    words = ["--images-per-class", "1", "--to", "other"]
    fails(mpssl("generate", "--config", "given.yaml", *words), "is a folder of images")


# ----------------------------------------------------------------------------- packed and compared


def given(project, folders, images=40):
    """An experiment whose pool has those folders, with the digits packed."""
    content = yaml.safe_load((project / "pool.yaml").read_text())
    content["foundation"]["generator"] = {"kind": "images", "path": "given"}
    content["foundation"]["class_map"] = {}
    content["datasets"]["mnist"] |= {"pool_size": 1400, "test_size": 50}
    drawn = np.random.default_rng(0)
    for k, name in enumerate(folders):
        folder = project / "given" / name
        folder.mkdir(parents=True)
        for i in range(images):
            pixels = drawn.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{k}-{i}.png")
    (project / "given.yaml").write_text(yaml.safe_dump(content))
    made = Experiment(reading.resolve(content))
    assert mpssl("pack", "--config", "given.yaml", "mnist").returncode == 0
    return made


def test_a_good_pool_passes(project):
    made = given(project, "0123456789")
    pool.pack_pool(made)
    assert "none of 400 images" in pool.check_pool(made, "mnist")
    assert made.paths.pool_check("mnist").exists()


def test_a_pool_with_test_images_is_refused(project):
    made = given(project, "0123456789")
    data = store.load(made.paths.packed("mnist"))
    Image.fromarray(data.images[data.test[7]]).save(project / "given/3/new.png")
    pool.pack_pool(made)
    with pytest.raises(UserError, match=r"1 images of the pool given .*first given/3/new.png"):
        pool.check_pool(made, "mnist")
    assert not made.paths.pool_check("mnist").exists()


@pytest.mark.parametrize(
    ("folders", "images", "message"),
    [
        ("012345678", 40, "no generated images for the class 9"),
        ([*"0123456789", "x"], 40, "the generated class x is none of the data"),
        ("0123456789", 1, "has 10 images, a step takes 30; make more"),
    ],
)
def test_a_pool_that_does_not_serve_is_refused_before_training(project, folders, images, message):
    made = given(project, folders, images)
    pool.pack_pool(made)
    with pytest.raises(UserError, match=message):
        pool.check_pool(made, "mnist")
