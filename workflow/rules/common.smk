# The experiment and its plan, for all rules. No maths: that is in the package mpssl.
import json
from functools import cache, partial

from mpssl.plan import job_memory
from mpssl.config.reading import read_yaml, resolve
from mpssl.common.code_digest import code_digest
from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, write_made
from mpssl.plan.paths import Paths
from mpssl.shipped import PAPER_RESULTS, REPORT_TEMPLATE
from mpssl.plan.plan import Plan, run_modules
from mpssl.plan.cells import Run

try:
    for file in workflow.configfiles:  # Snakemake's own reader lets a repeated key pass
        read_yaml(file)
    experiment = resolve(config, strict=False)
except UserError as error:
    raise WorkflowError(str(error)) from None

plan = Plan(experiment)
paths = Paths(experiment)

CELL = "{dataset}/{fraction}/{setting}/{method}/{variant}/{architecture}"
RUN = f"{CELL}/lambda-{{weight}}/seed-{{seed}}"


wildcard_constraints:
    dataset=r"[a-z0-9_.-]+",
    fraction=r"\d+",
    setting=r"base|oracle|transfer|generative",
    method=r"[a-z0-9_]+",
    variant=r"[a-z0-9_.-]+",
    architecture=r"[a-z0-9_]+",
    weight=r"selected|[0-9.e+-]+",
    seed=r"\d+",


# What tables, figures and claims print beside numbers: they re-run when a label changes.
NAMES = json.dumps(
    {
        "methods": experiment.model_dump(mode="json")["methods"],
        "titles": {name: dataset.title for name, dataset in experiment.datasets.items()},
    }
)


def packed(dataset):
    """meta.json is written last, so it stands for the whole packed data set."""
    return paths.packed(dataset) / "meta.json"


def downloads_of(dataset):
    """What must be downloaded for a data set; nothing where the user has a copy."""
    return experiment.datasets[dataset].to_download


def records(cells):
    """The files that hold the finished runs of `cells`: one a seed, and the searches' outcomes."""
    metrics = [paths.run(run) / "metrics.json" for cell in cells for run in plan.fixed_runs(cell)]
    return metrics + [paths.selected(cell) for cell in cells if plan.searched(cell)]


def table_files(name):
    return [paths.table(name, suffix) for suffix in ("csv", "md", "tex")]


def figure_files(name):
    return [paths.figure(name, suffix) for suffix in ("png", "pdf", "csv")]


def result_files(name):
    return table_files(name) if name in experiment.tables else figure_files(name)


def run_of(wildcards):
    return Run.parse(RUN.format(**wildcards))


def run_inputs(wildcards):
    """Data, split and weights that a run needs, and its lambda where that is searched."""
    cell, weight = run_of(wildcards).cell, wildcards.weight
    needs = plan.needs(cell)
    inputs = {"packed": packed(cell.dataset), "split": paths.split(cell.dataset, cell.fraction)}
    if "generator" in needs:
        inputs["generator"] = paths.generator_files()
        if experiment.domain:  # read by a person; the run itself does not depend on it
            inputs["domain"] = ancient(paths.domain(cell.dataset, cell.architecture))
    if "foundation_classifier" in needs:
        inputs["foundation_classifier"] = paths.classifier(cell.architecture)
    if "foundation_images" in needs:
        inputs["foundation_images"] = packed(experiment.foundation.dataset)
    if weight == "selected":
        inputs["selected"] = paths.selected(cell)
    return inputs


packed_mb = cache(partial(job_memory.packed_mb, experiment))


def run_memory_mb(wildcards):
    return job_memory.training_mb(plan, run_of(wildcards).cell, packed_mb)


def run_settings(wildcards):
    return plan.settings(run_of(wildcards).cell)


def lift_default_rate_limit(scheduler):
    """Do without Snakemake's default limit of 100 started jobs a second.

    To keep it, Snakemake 9 looks at all jobs again a second after each look, so once a second for
    every job that has finished so far: after a few hundred a core is busy with that. There is no
    option against it; a limit that the user sets is kept.
    """
    limit = getattr(scheduler, "job_rate_limiter", None)
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        scheduler.job_rate_limiter = None
