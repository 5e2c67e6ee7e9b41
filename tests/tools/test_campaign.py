"""The GPU campaign on the CPU at a tiny size: it runs to its end, and it can be cut."""

import json
from functools import partial
from math import isfinite

import pytest
import torch

from benchmarks import campaign
from benchmarks.campaign import Campaign
from benchmarks.campaign_page import COLUMNS, page
from mpssl.config.reading import load
from mpssl.plan.cost import Calibration
from mpssl.plan.cost_report import report
from mpssl.plan.experiment import Experiment

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config():
    return load("tests/support/tiny.yaml")


@pytest.fixture
def small(monkeypatch):
    """Two methods, two precisions and two part sizes."""
    monkeypatch.setattr(campaign, "ROWS", ["generative/mpssl", "base/base"])
    kept = ("float32", "bf16, generator too")
    monkeypatch.setattr(campaign, "PRECISIONS", {k: campaign.PRECISIONS[k] for k in kept})
    monkeypatch.setattr(campaign, "PARTS", (1, 2))
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))


def made(config, folder, minutes=60):
    return Campaign(config, config, CPU, folder, minutes, steps=1)


@pytest.mark.slow
def test_it_measures_everything_and_the_plan_reads_it(config, small, tmp_path):
    assert made(config, tmp_path).run() == 0
    found = json.loads((tmp_path / "campaign.json").read_text())
    sections = found["sections"]
    assert list(sections) == list(COLUMNS)
    assert not found["failures"]
    assert not found["not_measured"]
    assert len(sections["steps"]) == 2 * 2 * 2
    for entry in sections["steps"].values():
        assert isfinite(entry["seconds_per_step"])
        assert entry["share_of_matrix_rate"] > 0
    parts = [entry["images_per_pass"] for entry in sections["parts"].values()]
    assert parts == [config.training.batch_size, config.training.batch_size // 2]
    assert all(entry["wrong"] == [] for entry in sections["agreement"].values())
    assert sections["determinism"]["base/base"]["repeats"]
    assert len(sections["kernels"]["base/base"]["longest"]) == 10
    assert all(entry["seconds_of_compilation"] > 0 for entry in sections["compiled"].values())
    assert sections["sharing"]["generative/mpssl"]["gain"] > 0
    text = (tmp_path / "campaign.md").read_text()
    assert text == page(found)
    for title in ("Matrix rate", "Agreement", "Time and memory of a step", "Data path"):
        assert f"## {title}" in text

    experiment = Experiment(config)
    calibration = Calibration.load(experiment, tmp_path / "campaign.json")
    assert len(calibration.seconds) == len(sections["calibration"])
    assert "run with --calibrate" not in report(experiment, [], tmp_path / "campaign.json")


def two_measurements(first):
    def measurements(self):
        yield "data path", "first", first
        yield "data path", "second", lambda: {"on the device": 2.0, "in the file": 1.0}

    return measurements


@pytest.mark.parametrize(
    ("error", "code"), [(torch.OutOfMemoryError("CUDA"), 0), (RuntimeError("a | b"), 1)]
)
def test_it_goes_on_after_a_failure(config, tmp_path, monkeypatch, error, code):
    def fails():
        raise error

    monkeypatch.setattr(Campaign, "measurements", two_measurements(fails))
    assert made(config, tmp_path).run() == code
    entries = json.loads((tmp_path / "campaign.json").read_text())["sections"]["data path"]
    assert "failed" in entries["first"]
    assert entries["second"]["in the file"] == 1
    text = (tmp_path / "campaign.md").read_text()
    assert ("out of memory" if code == 0 else "RuntimeError: a / b") in text


def test_what_time_is_short_for_is_listed(config, tmp_path):
    assert made(config, tmp_path, minutes=-1).run() == 0
    assert "- steps: base/base, tf32, fast" in (tmp_path / "campaign.md").read_text()


def test_it_leaves_what_it_has_when_it_is_cut(config, tmp_path, monkeypatch):
    def cut():
        raise KeyboardInterrupt

    monkeypatch.setattr(Campaign, "measurements", two_measurements(cut))
    assert made(config, tmp_path).run() == 0
    assert (tmp_path / "campaign.md").exists()


def test_a_difference_from_the_cpu_is_an_exit_code(config, tmp_path, monkeypatch):
    errors = {"float64": 0.1, "float32": 0.1}

    def measurements(self):
        yield "agreement", "base/base", lambda: {"wrong": ["theta"], "largest_error": errors}

    monkeypatch.setattr(Campaign, "measurements", measurements)
    assert made(config, tmp_path).run() == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so(capsys):
    assert campaign.main([]) == 2
    assert "there is no GPU here; --device cpu --size small" in capsys.readouterr().out
