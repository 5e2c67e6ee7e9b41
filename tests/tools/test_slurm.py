"""What is read from SLURM's own commands."""

import sys

import pytest

from mpssl.common.errors import UserError
from mpssl.tools import slurm

SINFO = """\
n1|idle|64000|8|gpu:a100:4(S:0-1),gpu:2|none
n2|drain*|512000+|64+|(null)|a disk | two fans
"""


def node(gres):
    return slurm.Node("n1", "idle", 64000, 8, gres, "none")


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("60", 60),
        ("30:30", 30.5),
        ("01:00:00", 60),
        ("1-00:00:00", 1440),
        ("2-12", 3600),
        ("1-00:30", 1470),
        ("UNLIMITED", None),
        ("infinite", None),
        ("", None),
    ],
)
def test_a_time_in_minutes(text, minutes):
    assert slurm.minutes(text) == minutes


@pytest.mark.parametrize(
    ("there", "wanted", "has"),
    [
        ("gpu:2", "gpu:1", True),
        ("gpu:2", "gpu:3", False),
        ("gpu:2", "gpu", True),
        ("gpu:2", "gpu:a100:1", False),
        ("gpu:a100:4(S:0-1)", "gpu:a100:4", True),
        ("gpu:a100:4(S:0,2)", "gpu:a100:5", False),
        ("gpu:a100:1,gpu:h100:1", "gpu:2", True),
        ("gpu:a100:1,gpu:h100:1", "gpu:a100:2", False),
        ("(null)", "gpu:1", False),
        ("(null)", "", True),
        ("gpu:1", "gpu:1,tpu:1", False),
    ],
)
def test_whether_a_node_has_gpus(there, wanted, has):
    assert slurm.has_gres(node(there), wanted) is has


def test_nodes_as_sinfo_lists_them(monkeypatch):
    monkeypatch.setattr(slurm, "ask", lambda *_: (0, SINFO))
    first, second = slurm.nodes("gpu")
    assert (first.memory_mb, first.cpus, first.gone) == (64000, 8, False)
    assert (second.memory_mb, second.cpus, second.gone) == (512000, 64, True)
    assert second.reason == "a disk | two fans"


@pytest.mark.parametrize(
    ("states", "gone"),
    [
        (["idle", "mix", "alloc", "idle~", "plnd", "resv"], False),
        (["down", "down*", "drain", "drng", "idle*", "maint", "idle$"], True),
    ],
)
def test_whether_a_node_is_to_be_had(states, gone):
    assert {slurm.Node("n", state, 1, 1, "", "").gone for state in states} == {gone}


def test_slurms_words_are_one_line():
    text = "sbatch: error: invalid partition specified: x\nallocation failure: Invalid name\n"
    assert slurm.message(text) == "invalid partition specified: x; allocation failure: Invalid name"
    assert slurm.message("") == "(no reason given)"


def test_the_number_of_a_job():
    assert slurm.job_number("sbatch: You will be billed for 16 CPUs\n123;cluster") == "123"


def test_a_command_that_is_not_there_is_named():
    with pytest.raises(UserError, match="no-such-command is not here; run it on a login node"):
        slurm.ask("no-such-command")


def test_a_controller_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(slurm, "TIMEOUT_S", 0.1)
    with pytest.raises(UserError, match=r"SLURM did not answer in 0\.1 s"):
        slurm.ask(sys.executable, "-c", "import time; time.sleep(9)")
