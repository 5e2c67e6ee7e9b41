"""Timing with random ingredients, and the GPU check's own eyes, on the CPU at tiny sizes."""

import hashlib
import json
from math import isfinite

import pytest
import torch
from pytorch_pretrained_biggan import BigGANConfig

from benchmarks import gpu_check
from mpssl.config.generators import TrainedGenerator
from mpssl.config.reading import load
from mpssl.models import generator
from mpssl.plan.cost import Calibration
from mpssl.plan.cost_report import report
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import Plan
from mpssl.tools import calibration
from mpssl.training.sources import lmo

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config():
    return load("tests/support/tiny.yaml")


@pytest.fixture(scope="module")
def frozen(config):
    return calibration.random_generator(Experiment(config))


def test_the_architecture_is_that_of_the_published_weights():
    """The package's config.json of BigGAN-deep-256, byte for byte."""
    settings = BigGANConfig.from_dict(calibration.BIGGAN_DEEP_256).to_dict()
    text = json.dumps(settings, indent=2, sort_keys=True) + "\n"
    download = load("config/config.yaml").foundation.generator.downloads[0]
    assert (download.file, download.bytes) == ("config.json", len(text))
    assert hashlib.sha256(text.encode()).hexdigest() == download.sha256


def test_random_images_are_finite_and_vary_with_latent_and_class(frozen):
    labels = torch.eye(frozen.classes)
    z = torch.randn(2, frozen.z_dim)
    with torch.no_grad():
        images = frozen(z[[0, 0, 1]], labels[[3, 4, 3]])
    assert torch.isfinite(images).all() and images.min() >= 0 and images.max() <= 1
    assert (images[0] - images[1]).abs().mean() > 0.01
    assert (images[0] - images[2]).abs().mean() > 0.01


def test_a_generator_that_is_there_is_the_one_that_is_timed(config, frozen, tmp_path):
    folder = {"kind": "pretrained", "path": tmp_path / "weights"}
    foundation = config.foundation.model_copy(
        update={"generator": type(load("config/config.yaml").foundation.generator)(**folder)}
    )
    layers = [(False, 2**i, 2 ** (i - 1)) for i in (4, 3, 2, 1)]
    settings = TrainedGenerator(kind="trained", steps=1, z_dim=5, channel_width=3, layers=layers)
    network = calibration.build_generator(settings, num_classes=7)
    calibration.make_usable(network)
    generator.save(network, tmp_path / "weights")
    changed = config.model_copy(update={"foundation": foundation})
    found = calibration.random_generator(Experiment(changed))
    assert (found.z_dim, found.classes) == (5, 7)


def test_calibration_times_the_steps_and_makes_the_hours(config, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    calls = []
    step = calibration.Loop.step
    monkeypatch.setattr(
        calibration.Loop,
        "step",
        lambda self, number, rate: (calls.append(number), step(self, number, rate))[1],
    )
    experiment = Experiment(config)
    plan = experiment.plan
    calibration.calibrate(experiment, ["figure4"], steps=3)
    kinds = ["pseudo+freematch", "lmo+scr"]
    assert calls == [1, 2, 3, 4, 5] * len(kinds)  # two to warm up, three timed
    stored = Calibration.load(experiment)
    assert stored.device == f"CPU (threads: {config.threads})"
    assert list(stored.seconds) == [(name, "resnet8") for name in kinds]
    for seconds in stored.seconds.values():
        *measured, compilation = seconds
        assert all(isfinite(value) and value > 0 for value in measured)
        assert compilation == 0  # nothing was compiled
    assert "run with --calibrate" not in report(experiment, ["figure4"])
    assert "run with --calibrate" in report(experiment, ["table1"])
    assert "lmo+scr, resnet8: " in capsys.readouterr().out

    entries = json.loads((tmp_path / "results/tiny/calibration.json").read_text())["entries"]
    assert [entry["timed_steps"] for entry in entries] == [3, 3]
    table3 = plan.cells("table3")
    monkeypatch.setattr(plan, "cells", lambda name: table3[:1])
    calibration.calibrate(experiment, ["table3"], steps=1)  # adds base, keeps the others
    assert ("lmo+scr", "resnet8") in Calibration.load(experiment).seconds
    assert ("none+none", "resnet8") in Calibration.load(experiment).seconds


def test_a_timed_step_is_the_one_of_training(config, frozen):
    """Random ingredients have the sizes of the configuration."""
    plan = Plan(config)
    cell = next(c for c in plan.cells("table1") if c.method == "pssl")
    task = calibration.random_task(plan, cell, CPU, frozen)
    assert task.model.head.out_features == 10
    assert task.source.classifier.head.out_features == frozen.classes == 98
    x, y = task.labeled.whole(torch.arange(8))
    assert x.shape == (8, 3, 32, 32)
    assert task.source.sample(x, y).shape == (8, 3, 32, 32)


# -------------------------------------------------------------------------------------- gpu_check

ROWS = ["generative/mpssl", "oracle/fixmatch"]


@pytest.mark.slow
def test_gpu_check_passes_on_the_cpu(config, capsys):
    assert gpu_check.check(config, CPU, batch=4, rows=ROWS) == 0
    text = capsys.readouterr().out
    assert "all is well; 2 methods" in text
    for name in ("validation gradient at x_u", "gap gradient at x_u", "gradient at phi"):
        assert name in text


def perturbed(factor):
    """The meta-gradient times `factor` where the device is observed, not in the reference."""
    inner, calls = lmo.validation_gradient, []

    def gradient(*arguments, **options):
        found, loss = inner(*arguments, **options)
        calls.append(found[0].dtype)
        on_device = not torch.backends.mkldnn.enabled
        return tuple(g * (factor if on_device else 1) for g in found), loss

    return gradient


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.001, float("nan")])
def test_gpu_check_sees_a_wrong_gradient(config, capsys, monkeypatch, factor):
    monkeypatch.setattr(lmo, "validation_gradient", perturbed(factor))
    assert gpu_check.check(config, CPU, batch=4, rows=ROWS[:1]) == 1
    text = capsys.readouterr().out
    assert "WRONG: generative/mpssl/default: validation gradient at x_u in float64" in text
    assert "values are wrong" in text


def test_gpu_check_sees_a_loss_that_compares_nothing(config, capsys, monkeypatch):
    """A threshold that nothing passes: the unlabeled loss is 0 everywhere, which shows nothing."""
    monkeypatch.setattr(gpu_check, "CONFIDENT", 0)
    assert gpu_check.check(config, CPU, batch=4, rows=ROWS[1:]) == 1
    assert "unlabeled_loss in float64 differs by nan" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_gpu_check_without_a_gpu_says_so(capsys):
    assert gpu_check.main([]) == 2
    assert "there is no GPU here; --device cpu --size small" in capsys.readouterr().out


def test_draws_are_the_same_in_both_precisions_and_refused_on_the_gpu():
    drawn = {}
    for dtype in (torch.float32, torch.float64):
        torch.manual_seed(0)
        with gpu_check.DrawOnCpu(dtype):
            drawn[dtype] = [
                torch.randn(3, device="cpu"),
                torch.randint(9, (3,), device="cpu"),
                torch.tensor([255], dtype=torch.uint8).float() / 255,
            ]
    for single, double in zip(*drawn.values(), strict=True):
        assert torch.equal(single.double(), double.double())
    assert drawn[torch.float64][0].dtype == torch.float64
    assert drawn[torch.float64][1].dtype == torch.int64
