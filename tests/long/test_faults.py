"""The short form of the fault tests; `python -m tests.long.faults` is the long one."""

import subprocess
import sys

import pytest

from tests.support.pipeline import ROOT


@pytest.mark.faults
def test_no_fault_costs_more_than_it_may():
    command = [sys.executable, "-m", "tests.long.faults", "--short"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert "kill -9" in result.stdout
