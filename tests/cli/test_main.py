"""Mistakes on the command line and in files end as one clear line and exit code 2."""

import subprocess
import sys

import click
import pytest
import yaml

from mpssl.cli.main import cli
from mpssl.common.files import read_made
from mpssl.data import download
from tests.support.commands import fails, mpssl


@pytest.fixture
def project(tmp_path, content):
    """A folder with an image-folder configuration and eight images of two classes."""
    from PIL import Image

    for part in ("train", "test"):
        for name, colour in (("cat", 20), ("dog", 200)):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for i in range(4):
                Image.new("RGB", (40, 30), (colour, i, 0)).save(folder / f"{i}.png")
    images = {"adapter": "folder", "title": "Pets", "path": str(tmp_path / "images")}
    content["datasets"]["mine"] = images
    content["packing"] = {"size": 32}
    content["training"] = {"image_size": 32}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_splits_for_the_runs_of_a_seed(project):
    content = yaml.safe_load(project.read_text()) | {
        "split": {"drawn_for": "seed", "validation_fraction": 0.5}
    }
    project.write_text(yaml.safe_dump(content))
    where = {"cwd": project.parent}
    assert mpssl("pack", "--config", project, "mine", **where).returncode == 0
    for seed in range(4):
        assert mpssl("split", "--config", project, "mine", 100, seed, **where).returncode == 0
    files = list((project.parent / "store/splits").glob("mine-100-*/split.json"))
    assert len(files) == 4
    assert len({read_made(path)["digest"] for path in files}) > 1


def test_packs_and_splits_a_folder_of_images(project):
    assert mpssl("pack", "--config", project, "mine", cwd=project.parent).returncode == 0
    result = mpssl("split", "--config", project, "mine", 50, cwd=project.parent)
    fails(result, "too few samples", "larger label fraction")


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (["pack", "mnits"], ["unknown data set 'mnits'", "did you mean 'mnist'?"]),
        (["table", "frist"], ["unknown table 'frist'", "did you mean 'first'?"]),
        (["train", "mnist/50"], ["is not a run: expected DATASET/FRACTION"]),
        (["train", "mnist/50/oracle/mixmatch/default/resnet8/lambda-1/seed-0"], ["mixmatch"]),
        (["train", "mnist/100/oracle/fixmatch/default/resnet8/lambda-1/seed-0"], ["100 %"]),
        (["split", "mnist", "0"], ["0 is not in the range 1<=x<=100"]),
        (["split", "mnist", "50"], ["the packed data set", "missing or damaged", "run snakemake"]),
        (["pcak", "mnist"], ["No such command 'pcak'"]),
        (["generate", "--to", "config.yaml"], ["'config.yaml' is a file"]),
    ],
)
def test_mistakes_in_arguments(project, arguments, texts):
    command, *rest = arguments
    fails(mpssl(command, "--config", project, *rest, cwd=project.parent), *texts)


def test_an_export_to_a_folder_is_refused_before_the_model_is_read(tmp_path):
    fails(mpssl("export", tmp_path / "no model", "--onnx", tmp_path), "is a directory")


def test_missing_image_folder(project):
    (project.parent / "images").rename(project.parent / "elsewhere")
    result = mpssl("pack", "--config", project, "mine", cwd=project.parent)
    fails(result, "images does not exist", "expected")
    assert not list((project.parent / "resources").rglob("*.npy"))


def test_corrupt_image_is_named_and_nothing_is_left(project):
    broken = project.parent / "images/train/dog/2.png"
    broken.write_bytes(broken.read_bytes()[:60])
    result = mpssl("pack", "--config", project, "mine", cwd=project.parent)
    check = "or leave it out by `mpssl data-check --config CONFIG mine --write`"
    fails(result, "dog/2.png is corrupt", f"repair or remove it, {check}")
    assert [p for p in (project.parent / "resources").rglob("*") if p.is_file()] == []


def test_missing_configuration(tmp_path):
    fails(mpssl("pack", "--config", tmp_path / "no.yaml", "mnist"), "cannot read the configuration")


def test_official_data_that_is_not_there_names_file_and_remedy(tmp_path):
    result = mpssl("pack", "--config", "config/config.yaml", "chaoyang")
    fails(result, "Chaoyang: ", "train.json does not exist", "docs/data.md")


def test_unreachable_download_names_the_place_for_a_copy(project, monkeypatch):
    content = yaml.safe_load(project.read_text())
    url = "http://127.0.0.1:9/dtd.tar.gz"  # nothing listens on the discard port
    content["datasets"]["dtd"] = {
        "adapter": "dtd",
        "title": "DTD",
        "downloads": [{"file": "dtd.tar.gz", "urls": [url]}],
    }
    project.write_text(yaml.safe_dump(content))
    monkeypatch.setattr(download.fetch, "__defaults__", ((),))  # no waiting
    result = mpssl("fetch", "--config", project, "dtd", cwd=project.parent)
    fails(result, "cannot download dtd.tar.gz", "put it at resources/downloads/dtd/dtd.tar.gz")


def test_the_package_is_the_command(tmp_path):
    """In a process of its own, as the rules of the pipeline call it."""
    command = [sys.executable, "-m", "mpssl", "pack", "--config", "no.yaml", "mnist"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    fails(result, "cannot read the configuration no.yaml")


def test_help_names_every_step():
    text = mpssl("--help").stdout
    for step in ("pack", "split", "train", "select", "collect", "table", "figure", "fetch"):
        assert step in text
    assert "..." not in text.split("Commands:")[1]  # each step's line is whole


def test_every_step_and_option_is_explained():
    for name, command in cli.commands.items():
        assert command.help, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"{name} {option.name}"
