"""An ordinary installation has all that the commands need: nothing is read beside the package."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mpssl.models import model_file
from mpssl.models.classifier import Classifier

ROOT = Path(__file__).resolve().parent.parent
SIDE = 16

pytestmark = pytest.mark.slow


def run(*command, **more) -> str:
    """The output of a command that succeeds, without the paths that would show the repository."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_"))}
    result = subprocess.run(
        list(map(str, command)), env=variables, capture_output=True, text=True, check=False, **more
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of the repository, built in a copy, as building leaves files beside the sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for name in ("mpssl", "config"):
        shutil.copytree(
            ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", folder, source)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """The programs of an environment with the wheel and, by a path, this one's other packages."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel)
    (own,) = folder.glob("lib/python*/site-packages")
    # Lines of .pth files in a folder that is added by a path are not read: no editable install.
    (own / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin"


@pytest.fixture
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A folder with images of two classes, which is the working folder."""
    rng = np.random.default_rng(0)
    for i in range(12):
        path = tmp_path / "images" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_wheel_has_every_file_of_the_package(wheel):
    files = {
        p for p in (ROOT / "mpssl").rglob("*") if p.is_file() and p.parent.name != "__pycache__"
    }
    with zipfile.ZipFile(wheel) as archive:
        assert {str(p.relative_to(ROOT)) for p in files} <= set(archive.namelist())
        preset = archive.read("mpssl/shipped/presets/small.yaml")
        weights = archive.read("mpssl/shipped/foundation/model.safetensors")
    assert preset == (ROOT / "config/mini.yaml").read_bytes()
    assert weights == (ROOT / "mpssl/shipped/foundation/model.safetensors").read_bytes()


def test_the_installed_commands_work_in_any_folder(installed, elsewhere):
    found = run(installed / "python", "-c", "import mpssl; print(mpssl.__file__)")
    assert found.startswith(str(installed.parent))

    shutil.copy(ROOT / "config/mini.yaml", elsewhere)
    assert "controls" in run(installed / "mpssl", "plan", "--config", "mini.yaml")

    for foundation in ("small", "biggan-deep-256"):
        options = ("--images", "images", "--foundation", foundation)
        text = run(installed / "mpssl", "init", foundation, *options)
        assert "training and 2 test images of 2 classes" in text
        run(installed / "mpssl", "plan", "--config", f"{foundation}/config.yaml")

    description = model_file.Description(
        "resnet8", ["a", "b"], SIDE, "squash", SIDE, [0.5] * 3, [0.5] * 3
    )
    network = Classifier("resnet8", 2, (0.5,) * 3, (0.5,) * 3)
    model_file.save(elsewhere / "model.safetensors", network, description)
    lines = run(installed / "mpssl", "predict", "--csv", "model.safetensors", "images").splitlines()
    assert lines[0] == "file,label,probability"
    assert len(lines) == 13
