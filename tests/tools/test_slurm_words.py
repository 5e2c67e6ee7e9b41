"""Why SLURM did not run a job, as it is told."""

import pytest

from mpssl.common.errors import UserError
from mpssl.tools import slurm
from mpssl.tools.slurm_words import Reasons, own_words

SBATCH = (
    "SLURM sbatch failed. The error message was 'sbatch: error: invalid partition specified: x\n"
    "sbatch: error: Batch job submission failed: Invalid partition name specified'.\n"
    "    sbatch call:\n        sbatch --parsable --job-name 4711\n"
)
ENDED = "SLURM-job '{}' failed, SLURM status is: 'OUT_OF_MEMORY'. Reason: Unknown."


@pytest.fixture(autouse=True)
def cluster(monkeypatch):
    monkeypatch.setattr(slurm, "ask", lambda *_: (0, "gpu\ncpu"))


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (
            SBATCH,
            "invalid partition specified: x; Batch job submission failed: "
            "Invalid partition name specified",
        ),
        (ENDED.format(12), "SLURM status is: 'OUT_OF_MEMORY'. Reason: Unknown"),
        ("Job submission failed: no nodes", "Job submission failed: no nodes"),
    ],
)
def test_slurms_words_in_what_the_executor_says(reason, words):
    assert own_words(reason) == words


def test_each_reason_is_told_once_and_again_at_the_end(capsys):
    reasons = Reasons()
    for number in range(5):
        reasons.tell("train_run", ENDED.format(number), f"logs/{number}.log")
    reasons.tell("group data", SBATCH, "")
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "mpssl: error: train_run: SLURM status is: 'OUT_OF_MEMORY'. Reason: Unknown."
        " Change mem_mb in the profile. (log: logs/0.log)",
        "mpssl: error: group data: invalid partition specified: x; Batch job submission failed:"
        " Invalid partition name specified. Change slurm_partition in the profile;"
        " `sinfo` has cpu, gpu.",
    ]
    reasons.tell_all()
    assert capsys.readouterr().err.splitlines() == told


def test_a_reason_is_told_though_slurm_does_not_answer(capsys, monkeypatch):
    def silent(*_):
        raise UserError("SLURM did not answer")

    monkeypatch.setattr(slurm, "ask", silent)
    Reasons().tell("group data", SBATCH, "")
    assert "invalid partition specified: x" in capsys.readouterr().err
