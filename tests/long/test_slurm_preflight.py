"""A real SLURM is asked what it would not start, and what its nodes see."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pipeline import copy_workflow, environment
from tests.support.slurm_cluster import cluster, missing

ABSENT = missing()
REQUIRED = os.environ.get("MPSSL_REQUIRE_SLURM")  # set where a skip would be a failure
LIMIT_S = 120  # of one command; the longest took 9 s
ASK = """
import json, sys
from mpssl.compat.slurm import Submission
from mpssl.tools import preflight
lines = {}
for text in json.loads(sys.argv[1]):
    command = ("sbatch", "--parsable", "--output=/dev/null", *text.split())
    lines[text] = preflight.lines(preflight.check([Submission("job", command)], queue=True))
print(json.dumps(lines))
"""
WELL = ["-p gpu -t 480 --mem 6000 --gpus=1 --cpus-per-task=2", "-p urgent,gpu -t 480"]
WRONG = {
    "-p nope": ["invalid partition specified: nope", "Change slurm_partition", "gpu, urgent"],
    "-p urgent -t 480": ["PartitionTimeLimit", "Change runtime", "480 minutes wanted", "allows 60"],
    "-p gpu --gpus=a100:1": ["Requested node configuration", "Change gpu_model", "have gpu:2"],
    "-p gpu --gres=gpu:a100:1": ["Requested node configuration", "Change gres"],
    "-p gpu --gpus=3": ["Requested node configuration", "Change gpu in"],
    "-p gpu --mem 900000": ["Requested node configuration", "Change mem_mb", "have 64000"],
    "-p gpu --cpus-per-task=99": ["Requested node configuration", "Change threads", "have 8"],
    "-p gpu -C infiniband": ["Invalid feature", "Change constraint"],
    "-p gpu --reservation=x": ["reservation is invalid", "Change slurm-reservation"],
    "-p gpu --nonsense": ["unrecognized option '--nonsense'", "Change slurm_extra"],
}

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(ABSENT) and not REQUIRED, reason=f"SLURM: {ABSENT}"),
]


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    assert not ABSENT, ABSENT
    with cluster(tmp_path_factory.mktemp("cluster")) as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return copy_workflow(tmp_path_factory.mktemp("preflight"))


def run(started, folder, *command, **variables):
    """A command on the cluster's node: exit code and output."""
    done = subprocess.run(
        started.command("timeout", "-k", "5", str(LIMIT_S), *command, folder=folder),
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def profile(folder: Path, old: str = "", new: str = "") -> None:
    """The profile of the repository with one change."""
    text = Path("profiles/slurm/config.yaml").read_text()
    assert old in text
    (folder / "profiles/slurm/config.yaml").write_text(text.replace(old, new) if old else text)


PREFLIGHT = (sys.executable, "-m", "mpssl", "preflight", "--configfile", "small.yaml")
START = (sys.executable, "-m", "snakemake", "--workflow-profile", "profiles/slurm")


def test_each_wrong_request_has_slurms_line_and_the_key(started):
    code, text = run(started, ".", sys.executable, "-c", ASK, json.dumps([*WRONG, *WELL]))
    assert code == 0, text
    lines = json.loads(text)
    for request, parts in WRONG.items():
        (line,) = lines[request]
        assert all(part in line for part in parts), line
    assert [lines[request] for request in WELL] == [[], []]
    waiting = [job for job in started.jobs() if job["JobState"] in ("PENDING", "RUNNING")]
    assert not waiting


def test_the_profile_as_it_is_can_start(started, folder):
    profile(folder)
    code, text = run(started, folder, *PREFLIGHT)
    assert code == 0, text
    assert "8 of 8 kinds of jobs would start" in text
    assert f"of partition gpu sees {folder} and the environment" in text
    assert not (folder / "results/small/config.json").exists()  # nothing is made


def test_a_start_on_a_partition_that_does_not_exist_says_so(started, folder):
    profile(folder, "slurm_partition: gpu", "slurm_partition: nope")
    before = len(started.jobs())
    code, text = run(started, folder, *START, "--configfile", "small.yaml")
    assert code == 1
    assert "train_run would not start: invalid partition specified: nope" in text
    assert "Change slurm_partition in the profile; `sinfo` has gpu, urgent." in text
    assert len(started.jobs()) == before


def test_what_sbatch_refuses_in_a_run_is_told_for_groups_too(started, folder):
    profile(folder, "slurm_partition: gpu", "slurm_partition: nope")
    once = ["--retries", "0", "--slurm-init-seconds-before-status-checks", "2"]
    command = [*START, "--configfile", "small.yaml", *once]
    code, text = run(started, folder, *command, MPSSL_PREFLIGHT="off")
    assert code == 1
    line = "mpssl: error: group data: invalid partition specified: nope;"
    assert text.count(line) == 2  # when it is met, and at the end


def test_a_folder_that_nodes_do_not_see_is_named(started, folder):
    """The submitter's own disk lies over the folder; SLURM's daemon sees what is below."""
    profile(folder)
    script = (
        f"cp -r {folder} /run/copy && mount -t tmpfs own {folder}"
        f" && cp -r /run/copy/. {folder} && cd {folder} && exec {' '.join(PREFLIGHT)}"
    )
    code, text = run(started, "/", "unshare", "--mount", "bash", "-c", script)
    assert code == 1, text
    assert f"does not see {folder}; put it on a disk that all nodes share" in text
