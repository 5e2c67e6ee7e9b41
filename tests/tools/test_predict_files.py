"""What `mpssl predict` reads of the places that it is given, and what it says of the rest."""

import numpy as np
import pytest
import torch
from PIL import Image

from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from tests.support.commands import fails, mpssl

DESCRIPTION = model_file.Description("resnet8", ["a", "b"], 40, "crop", 32, [0.4] * 3, [0.2] * 3)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    model_file.save(path, Classifier("resnet8", 2, (0.4,) * 3, (0.2,) * 3).eval(), DESCRIPTION)
    return path


def fill(folder, names):
    """Files of these names: pictures, or nothing if they have other suffixes."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jpg", ".gif", ".webp"):
            Image.fromarray(np.full((9, 9, 3), 100, np.uint8)).save(path)
        else:
            path.write_bytes(b"")
    return folder


FOLDERS = {
    "pictures at any depth": (["b.png", "x/a.JPG", "x/y/c.webp"], "3 of 3", ""),
    "other files are counted": (
        ["a.png", "notes.txt", "x/b.psd", "x/c.psd", "README"],
        "1 of 1",
        "no pictures: 2 .psd, 1 without suffix, 1 .txt",
    ),
    "many kinds": (
        ["a.png", *(f"f.{kind}" for kind in ("aa", "bb", "cc", "dd", "ee", "ff", "gg"))],
        "1 of 1",
        "no pictures: 1 .aa, 1 .bb, 1 .cc, 1 .dd, 1 .ee and 2 other kinds",
    ),
    "left behind by systems": (
        ["a.png", "._a.png", ".hidden/b.png", "__MACOSX/c.png", "Thumbs.db", ".DS_Store"],
        "1 of 1",
        "",
    ),
}


@pytest.mark.parametrize(("names", "labeled", "others"), FOLDERS.values(), ids=FOLDERS)
def test_a_folder_is_listed_as_by_init(tmp_path, model, names, labeled, others):
    found = mpssl("predict", model, fill(tmp_path / "in", names), "--csv")
    assert found.returncode == 0
    assert f"mpssl: {labeled} files labeled" in found.stderr
    said = [line for line in found.stderr.splitlines() if "no pictures" in line]
    assert said == ([f"mpssl: {others}"] if others else [])
    count = int(labeled.split()[0])
    assert len(found.stdout.splitlines()) == 1 + count


UNREADABLE = {
    "empty.png": (b"", "is empty; remove it"),
    "page.jpg": (b"<!DOCTYPE html><html>", "is a web page, not a picture: download it again"),
    "paper.png": (b"%PDF-1.7", "is a PDF or PostScript file: export it as PNG"),
    "cut.png": (b"\x89PNG\r\n\x1a\n", "is corrupt"),
}


@pytest.mark.parametrize(("name", "case"), UNREADABLE.items(), ids=UNREADABLE)
def test_a_file_that_cannot_be_read_is_named_and_the_others_are_labeled(
    tmp_path, model, name, case
):
    content, reason = case
    folder = fill(tmp_path / "in", ["a.png", "b.png"])
    (folder / name).write_bytes(content)
    found = mpssl("predict", model, folder, "--csv")
    assert found.returncode == 1
    assert f"mpssl: skipped: the image {folder / name} {reason}" in found.stderr
    assert "mpssl: 2 of 3 files labeled" in found.stderr
    assert [line.split(",")[0] for line in found.stdout.splitlines()[1:]] == [
        str(folder / "a.png"),
        str(folder / "b.png"),
    ]


LISTS = {
    "commas": ("path,other\na.png,1\nb.png,2\n", "2 of 2"),
    "semicolons and backslashes": ("path;x\nsub\\c.png;1\n", "1 of 1"),
    "one is missing": ("path\na.png\nnone.png\n", "1 of 2"),
}


@pytest.mark.parametrize(("text", "labeled"), LISTS.values(), ids=LISTS)
def test_a_list_names_the_files(tmp_path, model, text, labeled):
    fill(tmp_path, ["a.png", "b.png", "sub/c.png"])
    (tmp_path / "list.csv").write_text(text)
    found = mpssl("predict", model, tmp_path / "list.csv")
    assert f"mpssl: {labeled} files labeled" in found.stderr
    assert found.returncode == (labeled[0] != labeled[-1])


@pytest.mark.parametrize(
    ("names", "place", "text"),
    [
        ([], "none", "none does not exist"),
        (["in/notes.txt", "in/b.txt"], "in", "in has no images; it has 2 .txt"),
        (["in/.a.png"], "in", "in has no images"),
    ],
)
def test_a_place_without_pictures_is_refused(tmp_path, model, names, place, text):
    fails(mpssl("predict", model, fill(tmp_path, names) / place), text)
