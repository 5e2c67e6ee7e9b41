# The experiment and its plan, for all rules. No maths: that is in the package mpssl.
#
# What takes long is made in folders of the store, whose names say what they are made of. So their
# inputs are `ancient`: a folder that is there is what is wanted, however old, touched or copied.
# Tables, figures and pages have fixed names, and each a recipe that changes with what it is made of.
import json
import sys
from functools import cache, partial
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.once import DONE
from mpssl.compat.snakemake import lift_default_rate_limit
from mpssl.config.reading import read_yaml, resolve
from mpssl.plan import job_memory, pool_checks
from mpssl.plan.claim import claim
from mpssl.plan.experiment import Experiment
from mpssl.plan.index import Index, forget_lost
from mpssl.plan.registry import register
from mpssl.plan.recipes import (
    ANSWER,
    CLAIMS,
    POOL,
    REPORT,
    RUNS,
    SHIPPED,
    make_again,
    write_recipes,
)


def project_of(configfiles):
    """The folder of the last configuration file that names an experiment; else this one."""
    if MODULE:  # the files are those of the other workflow
        return Path()
    named = [Path(file) for file in configfiles if "experiment" in read_yaml(file)]
    return named[-1].parent if named else Path()


try:
    for file in [] if MODULE else workflow.configfiles:  # Snakemake lets a repeated key pass
        read_yaml(file)
    resolved = resolve(config, strict=False, base=project_of(workflow.configfiles))
    experiment = Experiment(resolved, root=ROOT)
    cells = experiment.plan.wanted_cells()  # a pool of generated images is looked at
    if workflow.is_main_process:
        pool_checks.check(experiment.plan, cells)
        for name in experiment.changed_images():
            print(
                f"{name}: its images, or the list of those to leave out, are not those of the last"
                " start; what is made of them is made again",
                file=sys.stderr,
            )
        write_recipes(experiment)
    else:  # a job on a cluster: images are those of the start
        experiment = Experiment.load(experiment.paths.resolved_config)
    index = Index(experiment)
    if workflow.is_main_process:
        forget_lost(experiment, index)
    if MODULE and workflow.is_main_process:
        experiment.write()
        register(experiment, index)
except UserError as error:
    raise WorkflowError(str(error)) from None

settings, plan, paths = experiment.config, experiment.plan, experiment.paths
maker = experiment.maker  # whose generator makes images: this experiment, or that of a pool


wildcard_constraints:
    digest="[0-9a-f]{16}",


def done(folder):
    """Written last when a folder of the store is whole."""
    return folder / DONE


def stored(folder):
    """An input in the store, whose time says nothing."""
    return ancient(done(folder))


def claim_results(results, configfiles):
    """Write down that the results are those of the project in which the configuration is."""
    try:
        claim(Path(results), project_of(configfiles))
    except UserError as error:
        raise WorkflowError(str(error)) from None


def packed(dataset):
    return stored(paths.packed(dataset))


def downloads_of(dataset):
    """What must be downloaded for a data set; nothing if the user has a copy."""
    return settings.datasets[dataset].to_download


def folder_of(run):
    """The store's folder of a run, or of the choice of one."""
    files = paths.run(run)
    return files.folder.parent if run.lambda_ == "selected" else files.folder


def records(cells):
    """What stands for the finished runs of `cells`: one a seed, and the searches' outcomes."""
    of_runs = [done(folder_of(run)) for cell in cells for run in plan.fixed_runs(cell)]
    return of_runs + [done(paths.selected(c).parent) for c in cells if plan.searched(c)]


def domains(cells):
    """What was measured of the distance from the generator to the data of these cells."""
    return [
        stored(paths.domain(cell.dataset, cell.architecture).parent)
        for cell in cells
        if settings.domain and "generator" in plan.needs(cell)
    ]


if workflow.is_main_process:  # Snakemake makes a lost input only for what is made again
    lost = [c for c in cells if not all(map(Path.exists, records([c])))]
    make_again(experiment, lost)


def table_files(name):
    return [paths.table(name, suffix) for suffix in ("csv", "md", "tex")]


def figure_files(name):
    return [paths.figure(name, suffix) for suffix in ("png", "pdf", "csv")]


def result_files(name):
    return table_files(name) if name in settings.tables else figure_files(name)


def generator_inputs(of=experiment):
    """The files of an experiment's generator, or what says that they are whole."""
    if of.config.foundation.generator.kind in ("trained", "images"):
        return [stored(of.paths.generator())]
    return [ancient(file) for file in of.paths.generator_files()]


def classifier_input(architecture):
    file = paths.classifier(architecture)
    trained = settings.foundation.classifier.kind == "trained"
    return stored(file.parent) if trained else ancient(file)


def run_inputs(run):
    """Data, split and weights that a run needs, and its lambda if that is searched."""
    cell = run.cell
    needs = plan.needs(cell)
    inputs = {"packed": packed(cell.dataset), "split": stored(paths.split_of(run).parent)}
    if "generator" in needs:
        inputs["generator"] = generator_inputs()
        if settings.foundation.generator.kind == "images":
            inputs["pool_check"] = stored(paths.pool_check(cell.dataset).parent)
        if settings.domain:  # read by a person; the run itself does not depend on it
            inputs["domain"] = stored(paths.domain(cell.dataset, cell.architecture).parent)
    if "foundation_classifier" in needs:
        inputs["foundation_classifier"] = classifier_input(cell.architecture)
    if "foundation_images" in needs:
        inputs["foundation_images"] = packed(settings.foundation.dataset)
    if run.lambda_ == "selected":
        inputs["selected"] = stored(paths.selected(cell).parent)
    return inputs


packed_mb = cache(partial(job_memory.packed_mb, experiment))


def run_memory_mb(cell):
    return job_memory.training_mb(experiment, cell, packed_mb)
