"""What the real executor would submit for jobs, and what it says if it cannot."""

from types import SimpleNamespace

import pytest

from mpssl.compat.slurm import Submission, slurm_executor, submissions, tell_reasons

plugin = pytest.importorskip("snakemake_executor_plugin_slurm")


class Resources(dict):
    """As Snakemake's: values by name and as attributes."""

    __getattr__ = dict.get


class Job(SimpleNamespace):
    __hash__, __eq__ = object.__hash__, object.__eq__

    def is_group(self):
        return "groupid" in vars(self)


def job(name="train_run", local=False, threads=1, **resources):
    return Job(
        name=name,
        rule=SimpleNamespace(name=name),
        is_local=local,
        threads=threads,
        resources=Resources({"slurm_partition": "gpu", "runtime": 480, "mem_mb": 6000} | resources),
    )


@pytest.fixture
def executor():
    """The executor's own methods, without its threads and SLURM."""
    settings = plugin.ExecutorSettings(status_command="squeue", qos="long")
    made = object.__new__(plugin.Executor)
    made.workflow = SimpleNamespace(executor_settings=settings, workdir_init="/work folder")
    made._fallback_account_arg, made._partitions = " -A mine", None
    return made


def kinds(executor, jobs, groups=None):
    dag = SimpleNamespace(needrun_jobs=lambda: jobs, get_job_group=(groups or {}).get)
    return submissions(SimpleNamespace(dag=dag), executor)


def test_options_are_those_of_the_executor(executor):
    (found,) = kinds(executor, [job(gpu=1, gpu_model="a100", threads=2)])
    assert found.jobs == "train_run" and found.command[0] == "sbatch"
    line = " ".join(found.command)
    for part in ("-A mine", "-p gpu", "-t 480", "--mem 6000", "--gpus=a100:1", "--qos=long"):
        assert part in line
    assert "--cpus-per-task=2" in line and "/work folder" in found.command


def test_each_kind_once_and_local_jobs_not_at_all(executor):
    jobs = [job(), job(), job(mem_mb=9000), job("fetch", local=True), job("make_report")]
    found = kinds(executor, jobs)
    assert [each.jobs for each in found] == ["make_report", "train_run", "train_run"]


def test_a_group_is_one_submission(executor):
    first, second = job("pack"), job("split")
    group = job("pack_split", runtime=250)
    group.groupid = "data"
    (found,) = kinds(executor, [first, second], {first: group, second: group})
    assert found.jobs == "group data" and "250" in found.command


def test_what_the_executor_refuses_is_kept(executor):
    found = kinds(executor, [job(slurm_extra="--mem=4")])
    assert found == [Submission("train_run", refused=found[0].refused)]
    assert "not allowed in the 'slurm_extra'" in found[0].refused.replace("\n", " ")


def test_other_executors_are_left_alone(executor):
    scheduler = SimpleNamespace(_executor=SimpleNamespace())
    assert slurm_executor(SimpleNamespace(scheduler=scheduler)) is None
    scheduler._executor = executor
    assert slurm_executor(SimpleNamespace(scheduler=scheduler)) is executor


def test_reasons_are_told_and_passed_on():
    passed, told = [], []
    made = SimpleNamespace(
        print_job_error=lambda *a, **k: passed.append((a, k)), run_job=lambda job: None
    )
    tell_reasons(made, lambda *words: told.append(words))
    info = SimpleNamespace(job=job())
    made.print_job_error(info, "no", aux_logs=["a.log"])
    made.print_job_error(info)
    assert told == [("train_run", "no", "a.log")]
    assert passed == [((info, "no"), {"aux_logs": ["a.log"]}), ((info, None), {})]


def test_a_group_that_cannot_be_submitted_ends(executor, monkeypatch):
    """The executor itself raises from its own error, as a group has no rule."""
    failed, group = [], job("pack")
    group.groupid, group.rule = "data", None

    def refuse(*_):
        raise plugin.WorkflowError("The account is invalid")

    monkeypatch.setattr(plugin.Executor, "get_account_arg", refuse)
    monkeypatch.setattr(plugin, "get_job_wildcards", refuse)
    executor.logger = SimpleNamespace(error=lambda *_, **__: None)
    executor._main_event_loop = None
    executor.report_job_error = lambda info, msg: failed.append((info.job, msg))
    tell_reasons(executor, lambda *_: None)
    executor.run_job(group)
    assert failed == [(group, "Job submission failed: The account is invalid")]
