"""What `mpssl predict` reads of the places that it is given, and what it says of the rest."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mpssl.config import reading
from mpssl.data import store
from mpssl.data.batches import batches_of
from mpssl.data.folder import list_images, read_folder
from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from mpssl.tools import init_project, predict
from tests.support.commands import fails, mpssl
from tests.support.pictures import dicom

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


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--csv", "--json"], "--csv and --json are two forms"),
        (["--probabilities", "--top", 2], "--probabilities names all classes and --top some"),
        (["--copy-to", "in/a.png"], "'in/a.png' is a file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(tmp_path, model, options, text):
    fill(tmp_path / "in", ["a.png"])
    fails(mpssl("predict", model, "in", *options, cwd=tmp_path), text)


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


def test_a_named_file_that_is_no_picture_is_said_to_be_none(tmp_path, model):
    (tmp_path / "note.txt").write_text("a note")
    found = mpssl("predict", model, tmp_path / "note.txt")
    assert f"{tmp_path / 'note.txt'} is no picture; leave it out" in found.stderr
    assert found.returncode == 1 and "corrupt" not in found.stderr


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


# ------------------------------------------------------- labels of a folder, and of packed pictures


def smooth(seed, top, side=(40, 40)):
    """Soft blobs of values from 0 to `top`, float64 [H, W]."""
    small = np.random.default_rng(seed).random((5, 6)).astype(np.float32)
    return top * np.asarray(Image.fromarray(small).resize(side, Image.Resampling.BILINEAR), float)


def as_png(path, values):
    Image.fromarray(values.astype(np.uint16)).save(path.with_suffix(".png"))


def as_tiff(path, values):
    Image.fromarray(values.astype(np.float32)).save(path.with_suffix(".tif"))


def as_dicom(path, values, **more):
    dicom(path.with_suffix(".dcm"), values.astype(np.uint16), bits=12, **more)


def as_ink(path, values):
    ink = Image.new("RGBA", values.shape[::-1])
    ink.putalpha(Image.fromarray(values.astype(np.uint8)))
    ink.save(path.with_suffix(".png"))


KINDS = {
    "12 bits in 16": (as_png, 4095, [0, 4095]),
    "all of 16 bits": (as_png, 65535, [0, 65535]),
    "10 bits in DICOM": (as_dicom, 1023, [0, 1023]),
    "Hounsfield units": (lambda *a: as_dicom(*a, intercept=-1024), 4000, [-1024, 2976]),
    "white is 0": (lambda *a: as_dicom(*a, kind="MONOCHROME1"), 4095, [0, 4095]),
    "real numbers": (as_tiff, 1, [0, 1]),
    "ink in alpha": (as_ink, 255, None),
}


@pytest.mark.slow
@pytest.mark.parametrize(("write", "top", "values"), KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_a_folder_has_the_labels_of_the_packed_pictures(tmp_path, write, top, values, resize):
    for number in range(12):
        path = tmp_path / "images" / ("ill", "well")[number % 2] / f"{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, smooth(number, top, (60, 40)))
    init_project.initialize(tmp_path / "p", tmp_path / "images", foundation="small")
    path = tmp_path / "p/config.yaml"
    keys = f"packing: {{size: 37, resize: {resize}, background: '#40c0ff'"
    path.write_text(path.read_text().replace("packing: {size: 32", keys))
    config = reading.load(path)
    assert (config.packing.values is None) == (values is None)
    if values is not None:
        assert config.packing.values == pytest.approx(values, abs=top / 20)

    dataset = config.datasets["p"]
    reading_ = read_folder(dataset, config.packing)
    store.save(tmp_path / "packed", reading_, config.packing.size)
    packed = store.load(tmp_path / "packed")
    torch.manual_seed(0)
    model = Classifier("resnet8", 2, (0.4,) * 3, (0.2,) * 3).eval()
    torch.nn.init.normal_(model.head.weight)
    description = model_file.describe(config, "resnet8", packed.classes)
    description = replace(description, mean=[0.4] * 3, std=[0.2] * 3)
    model_file.save(tmp_path / "m.safetensors", model, description)
    side = config.training.image_size
    batches = batches_of(packed, np.arange(12), side, torch.device("cpu"))
    with torch.no_grad():
        expected = model(batches.centre_images(torch.arange(12))).softmax(dim=1).numpy()
    assert np.ptp(expected[:, 0]) > 0.01  # the pictures are told apart

    images = list_images(dataset)
    files = [f for part in (images.train, images.test) for name in part for f in part[name]]
    found = list(predict.predict(tmp_path / "m.safetensors", files))
    assert np.array([list(p.classes.values()) for p in found]) == pytest.approx(expected, abs=1e-6)
    assert not any(p.doubt for p in found)


OTHERS = {
    "of the range": ([0, 4095], np.uint16, 4095, 0, ""),
    "8 bits": ([0, 4095], np.uint8, 255, 0, "3 pictures, such as {}, have 8 bits, without the ran"),
    "of more bits": (
        [0, 4095],
        np.uint16,
        65535,
        0,
        "have values outside of 0 to 4095, or in l",
    ),
    "of fewer bits": ([0, 65535], np.uint16, 4095, 0, "have values outside of 0 to 65535, or in l"),
    "no range": (None, np.uint16, 65535, 0, ""),
    "no range, and fewer bits": (None, np.uint16, 4095, 1, "say in packing.values: [low, high]"),
}


@pytest.mark.parametrize(("values", "kind", "top", "code", "text"), OTHERS.values(), ids=OTHERS)
def test_pictures_of_another_range_than_the_models_are_said(
    tmp_path, model, values, kind, top, code, text
):
    network, description = model_file.load(model)
    model_file.save(tmp_path / "m.safetensors", network, replace(description, values=values))
    (tmp_path / "in").mkdir()
    for number in range(3):
        picture = Image.fromarray(smooth(number, top).astype(kind))
        picture.save(tmp_path / f"in/{number}.png")
    result = mpssl("predict", tmp_path / "m.safetensors", tmp_path / "in")
    assert result.returncode == code
    assert text.format(tmp_path / "in/0.png") in result.stderr
    assert ("warning" in result.stderr) == bool(text and not code)
