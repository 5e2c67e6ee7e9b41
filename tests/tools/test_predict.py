"""A model file alone labels images."""

import json
import os
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mpssl.common.errors import UserError
from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from mpssl.tools import predict

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


TWO = [
    predict.Prediction(Path("in/a.png"), {"cat": 0.25, "dog": 0.75}),
    predict.Prediction(Path("in/b.png"), {"cat": 1.0, "dog": 0.0}),
]


@pytest.mark.parametrize(
    ("write", "count", "every_class", "text"),
    [
        ("csv", 1, False, "file,label,probability\nin/a.png,dog,0.750000\nin/b.png,cat,1.000000\n"),
        (
            "csv",
            2,
            False,
            "file,label,probability,label_2,probability_2\n"
            "in/a.png,dog,0.750000,cat,0.250000\nin/b.png,cat,1.000000,dog,0.000000\n",
        ),
        ("csv", 1, True, "file,cat,dog\nin/a.png,0.250000,0.750000\nin/b.png,1.000000,0.000000\n"),
        (
            "json_lines",
            1,
            False,
            '{"file": "in/a.png", "label": "dog", "probability": 0.75}\n'
            '{"file": "in/b.png", "label": "cat", "probability": 1.0}\n',
        ),
    ],
)
def test_forms_of_the_output(write, count, every_class, text):
    assert getattr(predict, f"as_{write}")(TWO, count, every_class) == text


def test_more_classes_than_there_are_is_all_of_them():
    for write in (predict.as_csv, predict.as_json_lines, predict.as_table):
        assert write(TWO, 6) == write(TWO, 2)


def test_json_and_table_name_more_classes():
    (first, _) = map(json.loads, predict.as_json_lines(TWO, 2).splitlines())
    assert list(first["classes"].items()) == [("dog", 0.75), ("cat", 0.25)]
    (first, _) = map(json.loads, predict.as_json_lines(TWO, 1, True).splitlines())
    assert list(first["classes"].items()) == [("cat", 0.25), ("dog", 0.75)]
    assert predict.as_table(TWO, 2).splitlines()[1].split() == [
        "in/a.png",
        "dog",
        "75.0%",
        "cat",
        "25.0%",
    ]


def test_copies_are_sorted_by_label_and_none_is_lost(tmp_path):
    files = [tmp_path / name for name in ("x/a.png", "y/a.png", "z/b.png")]
    for i, file in enumerate(files):
        file.parent.mkdir()
        file.write_text(str(i))
    labels = [{"cat": 1.0}, {"cat": 1.0}, {"in/out": 1.0}]
    found = [predict.Prediction(f, c) for f, c in zip(files, labels, strict=True)]
    predict.copy_to(tmp_path / "out", found)
    copies = {
        str(f.relative_to(tmp_path / "out")): f.read_text()
        for f in (tmp_path / "out").rglob("*.png")
    }
    assert copies == {"cat/a.png": "0", "cat/a-2.png": "1", "in_out/b.png": "2"}
    before = sorted((tmp_path / "out").rglob("*"))
    predict.copy_to(tmp_path / "out", found)
    assert sorted((tmp_path / "out").rglob("*")) == before  # what is there is not copied again


def test_a_place_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "a.png").write_text("0")
    (tmp_path / "file").write_text("")
    found = [predict.Prediction(tmp_path / "a.png", {"cat": 1.0})]
    with pytest.raises(UserError, match="the folder .*file/in/cat cannot be made: Not a directory"):
        predict.copy_to(tmp_path / "file/in", found)


def test_a_list_names_images(tmp_path, images):
    (tmp_path / "list.csv").write_text("path,other\nin/3.png,x\nin/1.png,y\n")
    assert predict.find_images([tmp_path / "list.csv"]) == [images / "3.png", images / "1.png"]


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
