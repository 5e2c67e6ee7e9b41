"""Snakemake's scheduler without a look at all jobs a second. Imports no Snakemake.

Delete when: snakemake/snakemake pull request 3744 is merged, so that a finished job no longer makes
the scheduler look at all jobs again before the limit's time has passed.
"""

from typing import Any


def lift_default_rate_limit(scheduler: Any) -> None:
    """Do without Snakemake's default limit of 100 started jobs a second.

    To keep it, Snakemake 9 looks at all jobs again a second after each look, so once a second for
    every job that has finished so far: after a few hundred a core is busy with that. A limit that
    the user sets is kept.
    """
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduler.job_rate_limiter = None
