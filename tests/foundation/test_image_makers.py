"""Pools made by models of diffusers, and a step of MP-SSL through one, on the tiny pipelines."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.plan.cells import Column, cell_of
from mpssl.plan.experiment import Experiment
from mpssl.tools.calibration import random_generator, random_task
from mpssl.training.train import Loop
from tests.support.commands import fails, mpssl
from tests.support.pipeline import ROOT

pytest.importorskip("diffusers")
pytest.importorskip("transformers")

from tests.support import tiny_pipelines  # noqa: E402

pytestmark = pytest.mark.slow  # diffusers takes seconds to import
DIGITS = {str(k): f"digit {k}" for k in range(10)}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pipelines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pipelines")
    return {
        "classes": tiny_pipelines.consistency(folder / "classes"),
        "texts": tiny_pipelines.stable_diffusion(folder / "texts"),
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    """A function: write a configuration of the embedded benchmark with another generator."""
    monkeypatch.chdir(tmp_path)

    def written(generator, **foundation):
        content = yaml.safe_load((ROOT / "config/mini.yaml").read_text())
        content["foundation"] |= {"generator": generator} | foundation
        content["datasets"]["mnist"] |= {"pool_size": 1400, "test_size": 50}
        content |= {"device": "cpu", "wanted": ["uses_of_images"]}
        (tmp_path / "it.yaml").write_text(yaml.safe_dump(content))
        return reading.resolve(content)

    return written


def of_texts(pipelines, **make):
    network = {
        "kind": "diffusers",
        "model": str(pipelines["texts"]),
        "prompts": {"classes": DIGITS},
    }
    return {
        "kind": "images",
        "path": "pool",
        "make": {"generator": network, "images_per_class": 3} | make,
    }


def images_of(folder):
    return {str(f.relative_to(folder)): np.asarray(Image.open(f)) for f in folder.glob("*/*.png")}


def test_a_step_of_mpssl_goes_through_a_consistency_model(write, pipelines):
    config = write({"kind": "diffusers", "model": str(pipelines["classes"])}, class_map={})
    experiment = Experiment(config)
    cell = cell_of("generative/mpssl", Column("mnist", 24, "resnet8"))
    assert experiment.plan.impossible(cell) is None
    frozen = random_generator(experiment)
    assert (frozen.z_dim, frozen.classes) == (3 * 8 * 8, tiny_pipelines.CLASSES)
    task = random_task(experiment.plan, cell, CPU, frozen)
    before = [p.detach().clone() for p in task.source.converter.parameters()]
    task.model.train()
    record = Loop(task).step(0, 0.1)
    assert all(value.isfinite().all() for value in record.values())
    after = task.source.converter.parameters()
    assert any((p != q).any() for p, q in zip(after, before, strict=True))


def test_a_pool_of_a_consistency_model_has_numbers_for_classes(write, pipelines, tmp_path):
    write({"kind": "diffusers", "model": str(pipelines["classes"])}, class_map={})
    words = ["--images-per-class", "2", "--to", "made"]
    assert mpssl("generate", "--config", "it.yaml", *words).returncode == 0
    made = images_of(tmp_path / "made")
    assert sorted({name.partition("/")[0] for name in made}) == ["0", "1", "2", "3", "4"]
    assert {image.shape for image in made.values()} == {(32, 32, 3)}


def test_a_pool_of_texts_has_the_classes_of_the_data(write, pipelines, tmp_path):
    config = write(of_texts(pipelines), class_map={})
    plan = Experiment(config).plan
    column = Column("mnist", 24, "resnet8")
    assert plan.impossible(cell_of("generative/supervised", column)) is None
    assert "no gradient" in plan.impossible(cell_of("generative/mpssl", column))
    assert mpssl("generate", "--config", "it.yaml").returncode == 0
    made = images_of(tmp_path / "pool")
    assert len(made) == 30
    said = json.loads((tmp_path / "pool/generator.json").read_text())
    assert said["classes"] == list(DIGITS)
    (tmp_path / "pool/7/000001.png").unlink()
    assert mpssl("generate", "--config", "it.yaml").returncode == 0
    again = images_of(tmp_path / "pool")
    assert all(np.array_equal(again[name], made[name]) for name in made)
    write(of_texts(pipelines) | {"path": "pool"}, class_map={})
    changed = of_texts(pipelines)
    changed["make"]["generator"]["prompts"]["domain"] = "white"
    write(changed, class_map={})
    fails(mpssl("generate", "--config", "it.yaml"), "were made with another generator")


def test_variations_are_of_d_alone_and_serve_it_alone(write, pipelines, tmp_path):
    varied = {"dataset": "mnist", "fraction": 24, "strength": 0.5}
    config = write(of_texts(pipelines, variations=varied), class_map={})
    plan = Experiment(config).plan
    row = "generative/supervised"
    assert plan.impossible(cell_of(row, Column("mnist", 24, "resnet8"))) is None
    for column in (Column("mnist", 50, "resnet8"), Column("digits", 24, "resnet8")):
        assert "varies D of mnist at 24 %" in plan.impossible(cell_of(row, column))
    fails(mpssl("generate", "--config", "it.yaml"), "missing or damaged")
    for step in (["pack", "mnist"], ["split", "mnist", "24"], ["generate"]):
        assert mpssl(step[0], "--config", "it.yaml", *step[1:]).returncode == 0
    assert len(images_of(tmp_path / "pool")) == 30
    with pytest.raises(UserError, match="made from one D for all"):
        content = yaml.safe_load((tmp_path / "it.yaml").read_text())
        reading.resolve(content | {"split": content["split"] | {"drawn_for": "seed"}})


@pytest.mark.parametrize(
    ("generator", "text"),
    [
        ({"kind": "diffusers", "model": "./absent"}, "absent has no model_index.json"),
        ({"kind": "diffusers", "model": "texts"}, "give `prompts`"),
    ],
)
def test_another_folder_is_refused_by_the_plan(write, pipelines, generator, text):
    if generator["model"] == "texts":
        generator = generator | {"model": str(pipelines["texts"])}
    write(generator)
    fails(mpssl("plan", "--config", "it.yaml", "controls"), text)


def test_a_model_of_texts_learns_through_one_step_and_no_more(write, pipelines):
    network = of_texts(pipelines)["make"]["generator"]
    experiment = Experiment(write(network, class_map={}))
    column, frozen = Column("mnist", 24, "resnet8"), random_generator(experiment)
    assert (frozen.classes, frozen.names) == (10, list(DIGITS))
    for row in ("generative/mpssl", "generative/supervised"):
        cell = cell_of(row, column)
        assert experiment.plan.impossible(cell) is None
        task = random_task(experiment.plan, cell, CPU, frozen)
        task.model.train()
        record = Loop(task).step(0, 0.1)
        assert all(value.isfinite().all() for value in record.values())
    for more in ({"steps": 2}, {"guidance": 3}):
        with pytest.raises(UserError, match="takes one step without guidance; for more write"):
            write(network | more)
