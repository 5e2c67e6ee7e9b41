"""What Snakemake's SLURM executor would submit, and why it could not. Imports no Snakemake.

Delete when: snakemake/snakemake-executor-plugin-slurm issue 456 is closed, so that the terminal
shows why the executor gave up a job or a group of jobs, and the executor says before the first
submission which jobs would wait for ever.
"""

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EXECUTOR = "snakemake_executor_plugin_slurm"


@dataclass(frozen=True, order=True)
class Submission:
    """One kind of job: all jobs of a rule, or of a group, that ask SLURM for the same."""

    jobs: str
    """The rule's name, or `group` and the group's."""
    command: tuple[str, ...] = ()
    """sbatch and its options, without what the job runs."""
    refused: str = ""
    """What the executor says if it would not even ask SLURM."""


def slurm_executor(workflow: Any) -> Any | None:
    """The executor that submits to SLURM, or None if jobs run elsewhere."""
    executor = getattr(workflow.scheduler, "_executor", None)
    return executor if type(executor).__module__ == EXECUTOR else None


def submissions(workflow: Any, executor: Any) -> list[Submission]:
    """The kinds of jobs that the executor is to submit, each once."""
    kinds = {}
    for job in _remote_jobs(workflow):
        unit = workflow.dag.get_job_group(job) or job
        asked = sorted((name, str(value)) for name, value in unit.resources.items())
        kinds[_name(unit), unit.threads, tuple(asked)] = unit
    return sorted({_submission(executor, unit) for unit in kinds.values()})


def written_files(workflow: Any) -> list[Path]:
    """What the jobs that the executor is to submit write."""
    return [Path(file) for job in _remote_jobs(workflow) for file in job.output]


def read_files(workflow: Any) -> list[Path]:
    """What the jobs that the executor is to submit read."""
    return [Path(file) for job in _remote_jobs(workflow) for file in job.input]


def _remote_jobs(workflow: Any) -> list[Any]:
    return [job for job in workflow.dag.needrun_jobs() if not job.is_local]


def _submission(executor: Any, job: Any) -> Submission:
    """As `Executor.run_job` makes it."""
    from snakemake_executor_plugin_slurm.submit_string import get_submit_command
    from snakemake_executor_plugin_slurm.utils import set_gres_string
    from snakemake_executor_plugin_slurm.validation import validate_slurm_extra
    from snakemake_interface_common.exceptions import WorkflowError

    try:
        validate_slurm_extra(job)
        settings = executor.workflow.executor_settings
        own = {
            "run_uuid": "preflight",
            "slurm_logfile": "/dev/null",
            "comment_str": "preflight",
            "account": next(executor.get_account_arg(job)),
            "partition": executor.get_partition_arg(job),
            "workdir": executor.workflow.workdir_init,
        }
        command = get_submit_command(job, own, settings=settings) + set_gres_string(job)
    except (WorkflowError, OSError) as error:
        return Submission(_name(job), refused=str(error))
    return Submission(_name(job), tuple(shlex.split(command)))


def _name(job: Any) -> str:
    return f"group {job.groupid}" if job.is_group() else job.name


def tell_reasons(executor: Any, tell: Callable[[str, str, str], None]) -> None:
    """Let `tell` have name, reason and log of each job that the executor gives up.

    The executor looks for the rule of a group of jobs if it cannot submit the group. A group has
    none, so that the executor's thread would end there, and Snakemake would wait for ever.
    """
    print_job_error, run_job = executor.print_job_error, executor.run_job

    def print_and_tell(job_info: Any, msg: str | None = None, **others: Any) -> None:
        if msg:
            tell(_name(job_info.job), msg, " ".join(others.get("aux_logs") or []))
        print_job_error(job_info, msg, **others)

    def run_or_report(job: Any) -> None:
        from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

        try:
            run_job(job)
        except AttributeError as error:
            reason = f"Job submission failed: {error.__context__ or error}"
            executor._report_job_error_threadsafe(SubmittedJobInfo(job), reason)

    executor.print_job_error, executor.run_job = print_and_tell, run_or_report
