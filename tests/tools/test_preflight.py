"""What SLURM would not start: its answers, as a real one gave them, and what is said of them."""

import pytest

from mpssl.common.errors import UserError
from mpssl.compat.slurm import Submission
from mpssl.tools import preflight, slurm
from mpssl.tools.shared_disk import Look

NODE = "allocation failure: Requested node configuration is not available"
STARTS = "sbatch: Job 1 to start at 2026-11-27T05:57:06 using 1 processors on nodes n1"
SINFO = "n1|idle|64000|8|gpu:2|none\nn2|idle|32000|16|(null)|none"
DRAINED = "n1|drain|64000|8|gpu:2|a fan\nn2|idle|32000|16|(null)|none"
LIMITED = "PartitionName=gpu MaxTime=01:00:00 MaxMemPerNode=4000 State=UP"
FREE = "PartitionName=gpu MaxTime=UNLIMITED MaxMemPerNode=UNLIMITED State=UP"


@pytest.fixture
def cluster(monkeypatch):
    """Answers by the beginning of the question; all that was asked."""
    answers = {"sbatch": (0, STARTS), "sinfo --noheader --format": (0, "gpu\ncpu")}
    answers["scontrol"] = (0, FREE)
    answers["sinfo --noheader --Node"] = (0, SINFO)
    asked = []

    def ask(*command):
        line = " ".join(command)
        asked.append(line)
        return next(answer for key, answer in reversed(answers.items()) if line.startswith(key))

    monkeypatch.setattr(slurm, "ask", ask)
    answers["asked"] = asked
    return answers


def submission(options="-p gpu -t 480", jobs="train_run"):
    return Submission(jobs, ("sbatch", *options.split()))


def only(submissions, **others):
    """The one finding, and its line."""
    found = preflight.check(submissions, **others)
    assert len(found) == 1
    return next(iter(found)), preflight.lines(found)[0]


@pytest.mark.parametrize(
    ("options", "answer", "parts"),
    [
        (
            "-p nope",
            "sbatch: error: invalid partition specified: nope\n"
            "allocation failure: Invalid partition name specified",
            ["invalid partition specified: nope", "Change slurm_partition", "has cpu, gpu"],
        ),
        (
            "-p gpu -A rich",
            "allocation failure: Invalid account or account/partition combination specified",
            ["Invalid account or account/partition", "Change slurm_account", "sacctmgr show"],
        ),
        ("-p gpu --qos=x", "allocation failure: Invalid qos specification", ["Change qos"]),
        ("-p gpu -C x", "allocation failure: Invalid feature specification", ["constraint"]),
        (
            "-p gpu -t 9",
            "allocation failure: Requested time limit is invalid (missing or exceeds some limit)",
            ["Requested time limit is invalid", "Change runtime"],
        ),
        ("-p gpu --x", "sbatch: unrecognized option '--x'", ["'--x'", "Change slurm_extra"]),
        ("-p gpu --mem 90000", NODE, ["mem_mb", "90000 wanted, nodes of gpu have 64000"]),
        ("-p gpu --cpus-per-task=32", NODE, ["threads", "32 wanted", "have 16"]),
        ("-p gpu --gpus=a100:1", NODE, ["gpu_model", "a100:1 wanted", "have none, gpu:2"]),
        ("-p gpu --gpus=3", NODE, ["Change gpu in the profile: 3 wanted"]),
        ("-p gpu --gres=gpu:v100:1", NODE, ["Change gres in the profile: gpu:v100:1 wanted"]),
        # The memory is on one node and the processors on the other.
        (
            "-p gpu --mem 60000 --cpus-per-task=16",
            NODE,
            ["It asks for slurm_partition gpu, mem_mb"],
        ),
        ("-p gpu", "sbatch: error: something new", ["something new", "It asks for"]),
    ],
)
def test_slurms_own_line_and_the_key_to_change(cluster, options, answer, parts):
    cluster["sbatch"] = (1, answer)
    finding, line = only([submission(options)])
    assert line.startswith("train_run would not start: ") and "\n" not in line
    assert finding.lasting and all(part in line for part in parts), line


@pytest.mark.parametrize(
    ("options", "facts", "part", "lasting"),
    [
        ("-p gpu -t 480", LIMITED, "Change runtime in the profile: 480 minutes wanted", True),
        ("-p gpu -t 480 --qos=long", LIMITED, "gpu allows 60", False),
        ("-p gpu -t 9 --mem 8000", LIMITED, "Change mem_mb in the profile: 8000 wanted", True),
        ("-p gpu -t 9", "PartitionName=gpu State=DOWN", "partition gpu is DOWN", False),
    ],
)
def test_what_sbatch_lets_pass_and_the_queue_does_not(cluster, options, facts, part, lasting):
    cluster["scontrol"] = (0, facts)
    finding, line = only([submission(options)])
    assert part in line and finding.lasting is lasting


def test_one_partition_of_several_is_enough(cluster):
    cluster["scontrol --oneliner show partition short"] = (0, LIMITED)
    assert not preflight.check([submission("-p short,gpu -t 480")])
    assert preflight.check([submission("-p short -t 480")])


def test_jobs_that_can_start_are_not_named(cluster):
    assert preflight.check([submission()]) == {}
    assert "--test-only" in cluster["asked"][0]


def test_nodes_that_are_away_for_a_time_stop_nothing(cluster, capsys):
    cluster["sbatch"] = (1, NODE)
    cluster["sinfo --noheader --Node"] = (0, DRAINED)
    preflight.check_start([submission("-p gpu --gpus=2")])
    assert "not to be had now: n1 drain (a fan)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "answer",
    [
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller",
        "allocation failure: Job violates accounting/QOS policy (job submit limit, ...)",
    ],
)
def test_what_may_pass_stops_nothing(cluster, answer):
    cluster["sbatch"] = (1, answer)
    assert not only([submission()])[0].lasting


def test_a_start_that_cannot_go_well_is_stopped(cluster, capsys):
    cluster["sbatch"] = (1, "sbatch: error: invalid partition specified: gpu")
    jobs = [submission(), submission(jobs="group data"), submission(jobs="group data")]
    with pytest.raises(UserError, match="nothing was submitted; MPSSL_PREFLIGHT=off"):
        preflight.check_start(jobs)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1  # one cause
    assert said[0].startswith("mpssl: preflight: train_run, group data would not start: invalid")


def test_what_the_executor_refuses_is_told_as_slurms_refusal(cluster):
    line = "The given account x appears to be invalid. Available accounts:\nrich, poor"
    finding, said = only([Submission("train_run", refused=line)])
    assert "account x appears to be invalid. Available accounts:; rich, poor" in said
    assert "Change slurm_account" in said and finding.lasting


@pytest.mark.parametrize(
    ("reason", "part"),
    [
        ("Job's account not permitted to use this partition (gpu allows a not b)", "slurm_account"),
        ("QOSMaxWallDurationPerJobLimit", "Change runtime or qos"),
        ("AssocGrpCpuLimit", "AssocGrpCpuLimit"),
    ],
)
def test_the_queue_says_what_no_test_does(cluster, reason, part):
    cluster["sbatch -p gpu -t 480 --begin"] = (0, "77")
    cluster["squeue"] = (0, reason)
    cluster["scancel"] = (0, "")
    line = only([submission()], queue=True)[1]
    assert reason in line and part in line
    assert cluster["asked"][-1] == "scancel 77"


@pytest.mark.parametrize("reason", ["BeginTime", "Priority", "(null)", "None"])
def test_a_patient_job_is_well(cluster, reason):
    cluster["sbatch -p gpu -t 480 --begin"] = (0, "77")
    cluster["squeue"] = (0, reason)
    cluster["scancel"] = (0, "")
    assert not preflight.check([submission()], queue=True)


@pytest.mark.parametrize("sees", [True, False])
def test_a_report_looks_at_the_disk_once_a_partition(cluster, monkeypatch, tmp_path, sees):
    cluster |= {"squeue": (0, "BeginTime"), "scancel": (0, "")}
    monkeypatch.setattr(slurm, "job_number", lambda _: "7")
    looked = []

    def look(where, folders, files):
        looked.append((where, folders, files))
        return Look("the disk", sees)

    monkeypatch.setattr(preflight.shared_disk, "look", look)
    jobs = [submission("-p gpu -t 9"), submission("-p gpu -t 8", "x"), submission("-p cpu -A a")]
    said, well = preflight.report(jobs, [tmp_path / "a/b.json"], [tmp_path / "a"])
    assert said == ["2 of 2 kinds of jobs would start", "the disk", "the disk"] and well is sees
    assert [where for where, _, _ in looked] == [("-pgpu",), ("-pcpu", "-Aa")]
