"""A run that is stopped, by a signal or by kill -9, ends as the undisturbed one, bit for bit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
import yaml

from mpssl.data import adapters, split, store
from mpssl.foundation.jobs import make_classifier, make_generator
from mpssl.machine.preemption import EXIT_CODE, SIGNALS, Preempted, check, watched
from mpssl.plan.cells import Run
from mpssl.plan.experiment import Experiment
from mpssl.runs.runner import execute
from mpssl.runs.stored import train_once
from mpssl.training import checkpoint
from mpssl.training.train import Loop, train
from tests.support.pipeline import ROOT
from tests.support.toys import METHODS, toy_task

RUNS = ["base/base/default/resnet8/lambda-0", "generative/mpssl/default/resnet8/lambda-0.5"]
TIMES = ("seconds", "wall_seconds")


@pytest.fixture
def signal_after(monkeypatch):
    """A function: the process sends itself a signal in the training step of a number."""

    def send(number: int, step_number: int) -> None:
        step = Loop.step

        def with_signal(loop, at, rate):
            if at == step_number:
                os.kill(os.getpid(), number)
            return step(loop, at, rate)

        monkeypatch.setattr(Loop, "step", with_signal)

    return send


@pytest.mark.parametrize(("source", "objective", "options"), METHODS)
def test_a_run_stopped_within_an_epoch_goes_on_bit_for_bit(
    tmp_path, monkeypatch, capsys, signal_after, source, objective, options
):
    whole = toy_task(source, objective, options, steps_per_epoch=3)
    outcome = train(whole, tmp_path / "whole.pt")

    with monkeypatch.context():
        signal_after(signal.SIGTERM, 4)
        stopped = toy_task(source, objective, options, steps_per_epoch=3)
        message = "SIGTERM after epoch 1 and 2 of 3 steps"
        with watched(), pytest.raises(Preempted, match=message):
            train(stopped, tmp_path / "stopped.pt")
    monkeypatch.undo()
    torch.manual_seed(12345)  # a new process draws from elsewhere
    resumed = toy_task(source, objective, options, steps_per_epoch=3)
    resumed_outcome = train(resumed, tmp_path / "stopped.pt")

    assert "resuming after epoch 1 and 2 of 3 steps" in capsys.readouterr().out
    assert resumed_outcome.history == outcome.history
    assert resumed_outcome.best_epoch == outcome.best_epoch
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_time_before_the_stop_counts(tmp_path, signal_after):
    signal_after(signal.SIGUSR1, 1)
    with watched(), pytest.raises(Preempted, match="SIGUSR1 after epoch 1"):
        train(toy_task(), tmp_path / "c.pt")
    seconds = checkpoint.load(tmp_path / "c.pt", toy_task().identity)["seconds"]
    assert train(toy_task(), tmp_path / "c.pt").seconds > seconds > 0


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_are_noted_within_the_block_alone(number):
    before = signal.getsignal(number)
    with watched():
        check()
        os.kill(os.getpid(), number)
        with pytest.raises(Preempted, match=number.name):
            check()
    check()
    assert signal.getsignal(number) is before


# ------------------------------------------------------------------------ the command, and kill -9


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the inputs of runs: packed data, a split and the foundation."""
    folder = tmp_path_factory.mktemp("prepared")
    content = yaml.safe_load((ROOT / "tests/support/tiny.yaml").read_text())
    content["training"] |= {"epochs": 3, "steps_per_epoch": 8}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(content))
    outside = Path.cwd()
    os.chdir(folder)
    try:
        experiment = Experiment.load("tiny.yaml")
        config, paths = experiment.config, experiment.paths
        for name in ("digits", "glyphs"):
            images = adapters.read_dataset(config.datasets[name], config.packing, paths.data(name))
            store.save(paths.packed(name), images, config.packing.size)
        packed = store.load(paths.packed("digits"))
        split.write_split(paths.split("digits", 50, 0), packed, 50, config.split)
        make_generator(experiment, threads=1)
        make_classifier(experiment, "resnet8", threads=1)
    finally:
        os.chdir(outside)
    return folder


@pytest.mark.slow
def test_a_run_that_is_stopped_after_its_last_epoch_ends(prepared, monkeypatch):
    """The rest takes seconds, and a run that is whole is not trained again."""
    monkeypatch.chdir(prepared)
    experiment, run = Experiment.load("tiny.yaml"), Run.parse(f"digits/50/{RUNS[0]}/seed-1")

    def stop(*_) -> dict:
        os.kill(os.getpid(), signal.SIGTERM)
        return {}

    with monkeypatch.context() as context, watched():
        context.setattr("mpssl.runs.runner._samples", stop)
        execute(experiment, run, threads=1)
    files = experiment.paths.run(run)
    assert files.record.exists()
    assert not files.checkpoint.exists()


class Training:
    """`mpssl train` of one run in a process of its own; its output is read line by line."""

    def __init__(self, folder: Path, run: str) -> None:
        command = [sys.executable, "-m", "mpssl", "train", "--config", "tiny.yaml"]
        self.process = subprocess.Popen(
            [*command, f"digits/50/{run}/seed-0"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def read_to(self, epoch: int) -> None:
        """Wait for the end of an epoch."""
        for line in self.process.stdout:
            if re.match(rf"epoch +{epoch}/", line):
                return
        raise AssertionError(f"the run ended before epoch {epoch}")

    def end(self) -> tuple[int, str]:
        """Wait; the exit code and the rest of the output."""
        output, _ = self.process.communicate(timeout=120)
        return self.process.returncode, output


def result(folder: Path, run: str) -> tuple[dict, str, dict[str, list]]:
    """The run's metrics but for times, its history and its weights."""
    run_folder = folder / f"results/tiny/runs/digits/50/{run}/seed-0"  # a link
    metrics = json.loads((run_folder / "metrics.json").read_text())
    assert all(metrics.pop(key) > 0 for key in TIMES)
    del metrics["checksum"]  # of the times too
    unread = {"samples.png", "snapshots", "converter.npz"}
    left = {path.name for path in run_folder.iterdir()} - unread
    left -= {"done"}
    assert left == {"metrics.json", "history.csv", "model.safetensors", "predictions.npz"}
    weights = safetensors.torch.load_file(run_folder / "model.safetensors")
    history = (run_folder / "history.csv").read_text()
    return metrics, history, {name: value.tolist() for name, value in weights.items()}


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS, ids=["base", "mpssl"])
def test_a_stopped_and_a_killed_run_equal_the_undisturbed_one(prepared, monkeypatch, run):
    monkeypatch.chdir(prepared)
    train_once(Experiment.load("tiny.yaml"), Run.parse(f"digits/50/{run}/seed-0"), threads=1)
    expected = result(prepared, run)
    shutil.rmtree((prepared / f"results/tiny/runs/digits/50/{run}/seed-0").resolve())

    stopped = Training(prepared, run)
    stopped.read_to(epoch=1)
    stopped.process.terminate()
    code, output = stopped.end()
    assert code == EXIT_CODE == 75
    last = output.splitlines()[-1]
    assert re.fullmatch(r"mpssl: preempted by SIGTERM after epoch \d.*; run again to .*", last)

    killed = Training(prepared, run)
    killed.read_to(epoch=2)
    killed.process.kill()
    assert killed.end()[0] == -signal.SIGKILL

    finished = Training(prepared, run)
    code, output = finished.end()
    assert code == 0
    assert re.match(r"resuming after epoch [23]", output)
    assert result(prepared, run) == expected
