"""What a plan takes, in words."""

import json
import subprocess
import sys

import pytest

from mpssl.common.errors import UserError
from mpssl.config.experiment import Config
from mpssl.plan import cost
from mpssl.plan.cost import Calibration
from mpssl.plan.cost_report import report
from mpssl.plan.experiment import Experiment
from tests.support.commands import fails, mpssl


def test_report_without_and_with_a_calibration(experiment, calibration, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = report(experiment, [])
    assert text.count("run with --calibrate") == 3  # two tables and the sum
    path = tmp_path / "results/tiny/calibration.json"
    path.parent.mkdir(parents=True)
    entries = [
        {
            "kind": name,
            "architecture": architecture,
            **dict(zip(cost.SECONDS, seconds, strict=True)),
        }
        for (name, architecture), seconds in calibration.seconds.items()
    ]
    content = {"device": "a fake", "entries": entries}
    content["measured_with"] = cost.measured_with(experiment.config)
    path.write_text(json.dumps(content))
    assert Calibration.load(experiment) == calibration
    lines = report(experiment, []).splitlines()
    row = next(line.split() for line in lines if line.startswith("first"))
    # 2 x 3 x (30.5 + 53.5 + 210.5) s = 0.49 h, 2 x (3 x 30.5 + 5 x 53.5 + 5 x 210.5) s = 0.78 h
    assert row == ["first", "6", "18", "26", "360", "520", "0.5", "0.8"]
    assert "Hours on a fake" in "\n".join(lines)
    content["measured_with"]["batch_size"] = 5
    path.write_text(json.dumps(content))
    assert Calibration.load(experiment) is None
    path.write_text("{")
    with pytest.raises(UserError, match="damaged.*calibrate again"):
        Calibration.load(experiment)


@pytest.mark.parametrize(("side", "packed", "part"), [(288, 288, "1"), (224, 256, "0.875")])
def test_weights_for_other_images_are_said(content, side, packed, part):
    content["roles"]["architectures"]["default"] = ["timm/resnet18.tv_in1k", "resnet18"]
    content["foundation"]["classifier"] = {"kind": "pretrained", "path": "weights"}
    content |= {"training": {"image_size": side}, "packing": {"size": packed}}
    text = report(Experiment(Config.model_validate(content)), [])
    said = [line for line in text.splitlines() if "has weights for" in line]
    if part == "0.875":  # as the weights want them
        assert said == []
    else:
        wanted = "timm.resnet18.tv_in1k has weights for 224 pixels, 0.875 of the image, bilinear; "
        assert said[0].startswith(wanted + f"your images are {side} pixels, {part} of the image")
        assert len(said) == 1


def test_the_command_prints_the_plan():
    result = mpssl("plan", "--config", "tests/support/tiny.yaml", "table3")
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    # 5 cells; given 5 x 2 seeds, searched 2 + 4 x (2 + 1), as the search is on the first seed;
    # 2 epochs of 2 steps
    assert ["table3", "5", "10", "14", "40", "56", "run", "with", "--calibrate"] in rows


def test_an_unknown_name_is_one_clear_line():
    result = mpssl("plan", "--config", "tests/support/tiny.yaml", "tabel3")
    fails(result, "unknown table or figure 'tabel3'; did you mean 'table3'?")


@pytest.mark.slow
def test_a_plan_needs_no_torch():
    code = (
        "import sys; from mpssl.plan.cost_report import report;"
        "from mpssl.plan.experiment import Experiment;"
        "report(Experiment.load('config/config.yaml'), []);"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
