"""BigGAN is had without its package's slow helpers, and is the package's own."""

import subprocess
import sys

import pytest


def run(code):
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.slow
def test_the_helpers_are_not_imported_and_the_classes_are_the_same():
    assert run(
        "import sys\n"
        "from mpssl.compat.biggan import BigGAN, BigGANConfig\n"
        "print('scipy.stats' in sys.modules)\n"
        "import pytorch_pretrained_biggan as package\n"
        "print(package.BigGAN is BigGAN, package.BigGANConfig is BigGANConfig)\n"
        "print(callable(package.truncated_noise_sample))\n"
    ).split() == ["False", "True", "True", "True"]


@pytest.mark.slow
def test_after_the_whole_package():
    code = "import pytorch_pretrained_biggan as p\nfrom mpssl.compat.biggan import BigGAN\n"
    assert run(code + "print(p.BigGAN is BigGAN)").strip() == "True"
