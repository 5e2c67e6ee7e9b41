# The experiment and its plan, for all rules. No maths: that is in the package mpssl.
import json

from mpssl.configfile import resolve
from mpssl.digest import code_digest
from mpssl.errors import UserError
from mpssl.paths import Paths
from mpssl.plan import Plan, Run, run_modules

try:
    experiment = resolve(config)
except UserError as error:
    raise WorkflowError(str(error)) from None

plan = Plan(experiment)
paths = Paths(experiment)

RUN = "{dataset}/{fraction}/{setting}/{method}/{variant}/{architecture}"
SEED = RUN + "/lambda-{weight}/seed-{seed}"


wildcard_constraints:
    dataset=r"[a-z0-9_.-]+",
    fraction=r"\d+",
    setting=r"base|oracle|transfer|generative",
    method=r"[a-z0-9_]+",
    variant=r"[a-z0-9_.-]+",
    architecture=r"[a-z0-9_]+",
    weight=r"selected|[0-9.e-]+",
    seed=r"\d+",


def packed(dataset):
    """meta.json is written last, so it stands for the whole packed data set."""
    return paths.packed(dataset) / "meta.json"


def generator_files():
    return [paths.generator() / name for name in ("config.json", "pytorch_model.bin")]


def records(cells):
    """The files that hold the finished runs of `cells`: one a seed, and the searches' outcomes."""
    metrics = [paths.run(run) / "metrics.json" for cell in cells for run in plan.fixed_runs(cell)]
    return metrics + [paths.selected(cell) for cell in cells if plan.searched(cell)]


def table_files(name):
    return [paths.table(name, suffix) for suffix in ("csv", "md", "tex")]


def figure_files(name):
    return [paths.figure(name, suffix) for suffix in ("png", "pdf")]


def result_files(name):
    return table_files(name) if name in experiment.tables else figure_files(name)
