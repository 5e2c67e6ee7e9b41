# The experiment and its plan, for all rules. No maths: that is in the package mpssl.
import json
from functools import cache, partial
from pathlib import Path

from mpssl.common.code_digest import code_digest
from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, keep_made, write_made
from mpssl.compat.snakemake import lift_default_rate_limit
from mpssl.config.reading import read_yaml, resolve
from mpssl.plan import job_memory
from mpssl.plan.cells import ANY_CELL, ANY_RUN, CELL_PATTERNS, RUN_PATTERNS, Cell, Run
from mpssl.plan.claim import claim
from mpssl.plan.experiment import Experiment
from mpssl.plan.plan import run_modules
from mpssl.shipped import FOUNDATION, PAPER_RESULTS, REPORT_STYLE, REPORT_TEMPLATE

try:
    for file in [] if MODULE else workflow.configfiles:  # Snakemake lets a repeated key pass
        read_yaml(file)
    experiment = Experiment(resolve(config, strict=False), ROOT)
    plan = experiment.plan
    plan.wanted_cells()  # a pool of generated images is looked at
except UserError as error:
    raise WorkflowError(str(error)) from None

settings, paths, maker = experiment.config, experiment.paths, experiment.maker

if MODULE:
    keep_made(paths.resolved_config, settings.model_dump(mode="json"))


wildcard_constraints:
    **CELL_PATTERNS,
    **RUN_PATTERNS,


# What tables, figures and claims print beside numbers: they re-run when a label changes.
NAMES = json.dumps(
    {
        "methods": settings.model_dump(mode="json")["methods"],
        "titles": {name: dataset.title for name, dataset in settings.datasets.items()},
    }
)


def claim_results(results, configfiles):
    """Write down that the results are those of the project in which the configuration is."""
    try:
        claim(Path(results), Path(configfiles[-1]).parent)
    except UserError as error:
        raise WorkflowError(str(error)) from None


def packed(dataset):
    """meta.json is written last, so it stands for the whole packed data set."""
    return paths.packed(dataset) / "meta.json"


def downloads_of(dataset):
    """What must be downloaded for a data set; nothing if the user has a copy."""
    return settings.datasets[dataset].to_download


def records(cells):
    """The files that hold the finished runs of `cells`: one a seed, and the searches' outcomes."""
    of_runs = [paths.run(run).record for cell in cells for run in plan.fixed_runs(cell)]
    return of_runs + [paths.selected(cell) for cell in cells if plan.searched(cell)]


def table_files(name):
    return [paths.table(name, suffix) for suffix in ("csv", "md", "tex")]


def figure_files(name):
    return [paths.figure(name, suffix) for suffix in ("png", "pdf", "csv")]


def result_files(name):
    return table_files(name) if name in settings.tables else figure_files(name)


def cell_of(wildcards):
    return Cell.parse(ANY_CELL.format(**wildcards))


def watched(files):
    """Inputs of a rule; of a shipped file the content counts, as an installation changes its time."""
    return [ancient(file) if file.parent == FOUNDATION else file for file in files]


def shipped_digest(_, input):
    """What the shipped files among a rule's inputs hold, which `watched` leaves to a parameter."""
    shipped = [file for file in input if Path(file).parent == FOUNDATION]
    return file_digest(*shipped) if shipped else ""


def run_inputs(wildcards):
    """Data, split and weights that a run needs, and its lambda if that is searched."""
    cell = cell_of(wildcards)
    needs = plan.needs(cell)
    split = paths.split(cell.dataset, cell.fraction, wildcards.seed)
    inputs = {"packed": packed(cell.dataset), "split": split}
    if "generator" in needs:
        inputs["generator"] = watched(paths.generator_files())
        if settings.foundation.generator.kind == "images":
            inputs["pool_check"] = paths.pool_check(cell.dataset)
        if settings.domain:  # read by a person; the run itself does not depend on it
            inputs["domain"] = ancient(paths.domain(cell.dataset, cell.architecture))
    if "foundation_classifier" in needs:
        inputs["foundation_classifier"] = watched([paths.classifier(cell.architecture)])
    if "foundation_images" in needs:
        inputs["foundation_images"] = packed(settings.foundation.dataset)
    if wildcards.lambda_ == "selected":
        inputs["selected"] = paths.selected(cell)
    return inputs


packed_mb = cache(partial(job_memory.packed_mb, experiment))


def run_memory_mb(wildcards):
    return job_memory.training_mb(experiment, cell_of(wildcards), packed_mb)


def run_settings(wildcards):
    return plan.settings(cell_of(wildcards))
