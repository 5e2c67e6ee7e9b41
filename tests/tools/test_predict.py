"""A model file alone labels images, and becomes ONNX."""

import os
from dataclasses import asdict

import numpy as np
import pytest
import torch
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from mpssl.tools import export, predict

CLASSES = ["red fox", "Ä 七", "c"]


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    network = Classifier("resnet8", 3, (0.4,) * 3, (0.2,) * 3).eval()
    torch.nn.init.normal_(network.head.weight)
    description = model_file.Description("resnet8", CLASSES, 40, "squash", 32, [0.4] * 3, [0.2] * 3)
    model_file.save(tmp_path / "model.safetensors", network, description)
    return network


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    (folder / "2x.png").write_bytes(b"no image")
    return folder


def test_predictions_are_those_of_the_network(tmp_path, model, images):
    files = predict.find_images([images])
    results = list(predict.predict(tmp_path, files))
    assert [isinstance(r, UserError) for r in results] == ["2x" in str(f) for f in files]
    for file, result in zip(files, results, strict=True):
        if not isinstance(result, UserError):
            pixels = torch.from_numpy(np.asarray(Image.open(file))[4:36, 4:36].copy())
            p = model(pixels.permute(2, 0, 1)[None] / 255).softmax(1)[0]
            assert result.label == CLASSES[p.argmax()]
            assert result.probability == pytest.approx(p.max().item(), abs=1e-5)
    found = [r for r in results if not isinstance(r, UserError)]
    assert len(predict.as_csv(found).splitlines()) == 6
    assert predict.as_csv([]) == "file,label,probability\n"
    heads = predict.as_table(found).splitlines()[0].split()
    assert heads == ["file", "label", "probability"]


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        model_file.load(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"1234567890")
    with pytest.raises(UserError, match="is damaged, or not a model"):
        model_file.load(tmp_path / "bad")
    with pytest.raises(UserError, match="does not exist"):
        predict.find_images([tmp_path / "none"])


def test_a_damaged_model_is_refused(tmp_path, model):
    path = tmp_path / "model.safetensors"
    data = path.read_bytes()
    for damaged, expected in (
        (data[:-1] + bytes([data[-1] ^ 1]), "checksum is missing or wrong"),
        (data.replace(b"red fox", b"red box"), "checksum is missing or wrong"),
        (data[: len(data) // 2], "damaged"),
        (b"\xff" * 8 + data[8:], "damaged"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=expected):
            model_file.load(path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(UserError, match="not a regular file"):
        model_file.load(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": "abc"},
        {"packing_size": 31},
        {"packing_size": 10**9},
        {"resize": "none"},
        {"mean": [0.4]},
        {"std": [0.0] * 3},
    ],
)
def test_a_description_that_cannot_be_is_refused(tmp_path, model, wrong):
    fields = asdict(model_file.load(tmp_path)[1]) | wrong
    with pytest.raises(ValueError):
        model_file.Description(**fields)


@pytest.mark.slow
def test_onnx_agrees_and_carries_the_labels(tmp_path, model):
    import onnx

    difference = export.export_onnx(tmp_path / "model.safetensors", tmp_path / "m.onnx")
    assert difference < 1e-5
    graph = onnx.load(tmp_path / "m.onnx")
    assert "Ä 七" in {p.key: p.value for p in graph.metadata_props}["mpssl"]


@pytest.mark.slow
def test_onnx_that_differs_is_not_written(tmp_path, model, monkeypatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(UserError, match="differ by"):
        export.export_onnx(tmp_path / "model.safetensors", tmp_path / "m.onnx")
    assert not list(tmp_path.glob("*.onnx"))
