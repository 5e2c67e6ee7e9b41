"""An exported ONNX file says how images are prepared, and labels them as the model file does."""

import ast
import csv
import io
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from mpssl.tools import export, onnx_file, predict

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "examples/onnx_predict.py"
CLASSES = ["red fox", "Ä, 七", "c"]
TOLERANCE = 1e-4
MEAN, STD = [0.4, 0.5, 0.6], [0.2] * 3
DESCRIPTION = model_file.Description("resnet8", CLASSES, 40, "crop", 32, MEAN, STD, "#40c0ff")
WAYS = {
    "crop": DESCRIPTION,
    "squash": replace(DESCRIPTION, resize="squash"),
    "pad": replace(DESCRIPTION, resize="pad", packing_size=33),  # an odd pixel around the centre
    "values": replace(DESCRIPTION, values=[-100.0, 900.0]),
    "before there was a background": replace(DESCRIPTION, background=None),
}

pytestmark = pytest.mark.slow


def picture(mode: str, seed: int, size=(90, 61)) -> Image.Image:
    """A smooth picture with noise, of any mode."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 4), dtype=np.uint8), "RGBA")
    image = small.resize(size, Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(rng.integers(0, 9000, size[::-1], dtype=np.uint16))
    if mode == "F":
        return Image.fromarray(rng.normal(400, 200, size[::-1]).astype(np.float32))
    return image if mode == "RGBA" else image.convert("RGB").convert(mode)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Pictures of all kinds; real numbers only go with a range of values."""
    folder = tmp_path_factory.mktemp("pictures")
    turned = Image.Exif()
    turned[0x0112] = 6
    picture("RGB", 0).save(folder / "turned.jpg", exif=turned)
    picture("RGB", 1, (30, 25)).save(folder / "small, with comma.png")
    picture("RGB", 2, (400, 90)).save(folder / "long.webp", lossless=True)
    picture("RGBA", 3).save(folder / "transparent.png")
    picture("LA", 4).save(folder / "transparent-grey.png")
    picture("P", 5).save(folder / "palette.png", transparency=3)
    picture("P", 6).save(folder / "first.gif", transparency=3)
    picture("CMYK", 7).save(folder / "cmyk.jpg")
    picture("1", 8).save(folder / "bits.png")
    picture("L", 9).save(folder / "grey.bmp")
    picture("I;16", 10).save(folder / "deep.png")
    picture("F", 11).save(folder / "real.tif")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The model and its ONNX file by way of preprocessing; exported once, as the graph is one."""
    import onnx

    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    network = Classifier("resnet8", 3, MEAN, STD).eval()
    torch.nn.init.normal_(network.head.weight)
    found, graph = {}, None
    for way, description in WAYS.items():
        model, out = folder / f"{way}.safetensors", folder / f"{way}.onnx"
        model_file.save(model, network, description)
        if graph is None:
            assert export.export_onnx(model, out) < 1e-5
            graph = onnx.load(out)
        else:
            del graph.metadata_props[:]
            onnx.helper.set_model_props(graph, onnx_file.metadata(description))
            onnx.save(graph, out)
        found[way] = model, out
    return found


def probabilities(path: Path, images: list[Path]) -> np.ndarray:
    results = list(predict.predict(path, images))
    return np.array([list(result.classes.values()) for result in results])


def usable(way: str, pictures: list[Path]) -> list[Path]:
    return [p for p in pictures if WAYS[way].values or p.suffix != ".tif"]


@pytest.mark.parametrize("way", WAYS)
def test_the_onnx_file_the_model_file_and_the_script_agree(files, pictures, way):
    model, out = files[way]
    images = usable(way, pictures)
    expected = probabilities(model, images)
    assert np.ptp(expected, axis=0).min() > 0.05  # the pictures are told apart
    assert np.abs(probabilities(out, images) - expected).max() < TOLERANCE
    command = [sys.executable, str(SCRIPT), str(out), *map(str, images)]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout
    head, *rows = csv.reader(io.StringIO(text))
    assert head == ["file", *CLASSES]
    assert [row[0] for row in rows] == list(map(str, images))
    found = np.array([row[1:] for row in rows], float)
    assert np.abs(found - expected).max() < TOLERANCE


def test_the_script_refuses_a_dark_picture_without_a_range(files, tmp_path):
    """As `mpssl predict` does: 12 bits of 16 would be nearly black."""
    dark = Image.fromarray(np.full((40, 40), 4095, np.uint16))
    dark.save(tmp_path / "dark.png")
    command = [sys.executable, str(SCRIPT), str(files["crop"][1]), str(tmp_path / "dark.png")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == (
        f"{tmp_path}/dark.png: values to 4095, the model knows no range of them\n"
    )
    (refused,) = predict.predict(files["crop"][1], [tmp_path / "dark.png"])
    assert isinstance(refused, UserError)


def test_another_filter_would_not_agree(files, pictures):
    """The tolerance is small enough to see bicubic filtering, or none against aliasing."""
    run, description = predict.load(files["squash"][1])
    image = Image.open(next(p for p in pictures if p.name == "long.webp")).convert("RGB")
    found = []
    for kind in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.NEAREST):
        square = np.asarray(image.resize((40, 40), kind))[4:36, 4:36]
        found.append(run(np.float32(square.transpose(2, 0, 1)[None]) / 255)[0])
    assert all(np.abs(other - found[0]).max() > TOLERANCE for other in found[1:])


def test_the_script_is_short_and_without_the_package():
    tree = ast.parse(SCRIPT.read_text())
    names = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert names <= {"csv", "json", "sys", "numpy", "onnxruntime", "PIL"}
    statements = [n for n in ast.walk(tree) if isinstance(n, ast.stmt)]
    imports = [n for n in statements if isinstance(n, ast.Import | ast.ImportFrom)]
    assert len(statements) - len(imports) <= 21  # with the docstring


@pytest.mark.parametrize("way", WAYS)
def test_the_metadata_name_every_step(files, way):
    import onnx

    found = {p.key: p.value for p in onnx.load(files[way][1]).metadata_props}
    about, wanted = json.loads(found["mpssl"]), asdict(WAYS[way])
    assert about["filter"] == "bilinear" and about["antialias"] is True
    assert about["background"] == wanted.pop("background") or "#ffffff"
    assert wanted.items() <= about.items()
    assert json.loads(found["classes"]) == CLASSES
    size = wanted["packing_size"]
    assert found["resize"].startswith(f"to {size} x {size}: ")
    assert "bilinear with antialiasing, Pillow" in found["resize"]
    assert found["crop"] == "the middle 32 x 32 pixels"
    assert found["normalization"] == "in the graph: minus 0.4, 0.5, 0.6, divided by 0.2, 0.2, 0.2"


def test_onnx_that_differs_is_not_written(files, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="differ by"):
        export.export_onnx(files["crop"][0], tmp_path / "m.onnx")
    assert not list(tmp_path.glob("*.onnx"))


def test_what_is_no_file_of_ours_is_refused(files, tmp_path):
    import onnx

    with pytest.raises(UserError, match=r"none.onnx does not exist"):
        predict.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"1234567890")
    with pytest.raises(UserError, match="is damaged, or not an ONNX file"):
        predict.load(tmp_path / "bad.onnx")
    graph = onnx.load(files["crop"][1])
    whole = asdict(DESCRIPTION)
    for properties in (
        {},
        {"mpssl": "x"},
        {"mpssl": "[" * 100_000},
        {"mpssl": '["classes"]'},
        {"mpssl": "{}"},
        {"mpssl": json.dumps(whole | {"classes": 3})},
        {"mpssl": json.dumps(whole | {"classes": ["a", "b"]})},
        {"mpssl": json.dumps(whole | {"image_size": 24})},
        {"mpssl": json.dumps(whole | {"resize": "other"})},
    ):
        del graph.metadata_props[:]
        onnx.helper.set_model_props(graph, properties)
        onnx.save(graph, tmp_path / "other.onnx")
        with pytest.raises(UserError, match="does not say how images are prepared"):
            predict.load(tmp_path / "other.onnx")


def test_without_onnxruntime_the_message_says_what_to_install(files, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"pip install .*\[onnx\]"):
        predict.load(files["crop"][1])
    with pytest.raises(UserError, match=r"export needs onnxruntime: pip install .*\[onnx\]"):
        export.export_onnx(*files["crop"])
