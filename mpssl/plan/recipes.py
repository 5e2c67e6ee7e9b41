"""What tables, figures and pages are made of, so that they are made again when that changes."""

import time
from collections.abc import Collection
from pathlib import Path

from mpssl.common.code_digest import code_digest
from mpssl.common.files import file_digest, json_digest, read_json, write_json
from mpssl.plan.cells import SELECTED, Cell
from mpssl.plan.experiment import Experiment
from mpssl.shipped import PAPER_RESULTS, REPORT_STYLE, REPORT_TEMPLATE

RUNS, CLAIMS, REPORT, ANSWER = "runs", "claims", "report", "answer"
SHIPPED, POOL = "shipped", "pool"


def shown(experiment: Experiment) -> dict[str, list[Cell]]:
    """The cells whose runs each table, figure and page shows, by its name."""
    config, plan = experiment.config, experiment.plan
    found = dict.fromkeys((RUNS, CLAIMS, REPORT), plan.wanted_cells())
    found |= {name: plan.cells(name) for name in [*config.tables, *config.figures]}
    return found | ({ANSWER: plan.answer_cells()} if config.answer else {})


def recipes(experiment: Experiment) -> dict[str, str]:
    """A digest of all that each table, figure and page is made of, by its name."""
    config, plan, cells = experiment.config, experiment.plan, shown(experiment)
    plain = config.model_dump(
        mode="json", include={"methods", "tables", "figures", "claims", "answer", "domain", "seeds"}
    )
    # Names that are printed beside numbers.
    words = {name: data.title for name, data in config.datasets.items()}, plain["methods"]
    paper = config.paper_results or PAPER_RESULTS
    paper = file_digest(paper) if paper.is_file() else str(paper)  # the table says it is missing

    def recipe(name: str, code: str, *more) -> str:
        made_of = [_names(experiment, cell) for cell in cells[name]]
        return json_digest([made_of, plain["seeds"], words, code_digest(code), *more])

    made = {
        RUNS: recipe(RUNS, "mpssl.results.collect"),
        CLAIMS: recipe(CLAIMS, "mpssl.results.claims", plain["claims"]),
    }
    for kind in ("tables", "figures"):
        for name, settings in plain[kind].items():
            made[name] = recipe(name, f"mpssl.results.{kind}", settings, paper)
    parts = [made[name] for name in plan.wanted]
    page = file_digest(REPORT_TEMPLATE, REPORT_STYLE)
    made[REPORT] = recipe(REPORT, "mpssl.results.report", plain, parts, page)
    if config.answer is not None:
        made[ANSWER] = recipe(ANSWER, "mpssl.results.answer", plain["answer"], plain["domain"])
    foundation = config.foundation
    if foundation.generator.kind == "images" and foundation.generator.make:
        made[POOL] = experiment.names.pool_made()
    if {foundation.generator.kind, foundation.classifier.kind} == {"trained"}:
        names = experiment.names
        classifiers = [names.classifier(name) for name in config.roles.every_architecture]
        parts = [names.generator(), *classifiers, code_digest("mpssl.foundation.ship")]
        made[SHIPPED] = json_digest(parts)
    return made


def write_recipes(experiment: Experiment) -> None:
    """Write each recipe that differs from what is there; its file's time is that of the change."""
    for name, digest in recipes(experiment).items():
        path = experiment.paths.recipe(name)
        if not _says(path, digest):
            write_json(path, {"digest": digest})


def make_again(experiment: Experiment, lost: Collection[Cell]) -> None:
    """Make anew what shows a cell of which runs are not there: Snakemake alone asks for them then.

    The recipe gets another content, as Snakemake knows a file that was merely touched.
    """
    for name, cells in shown(experiment).items():
        if not set(lost).isdisjoint(cells):
            path = experiment.paths.recipe(name)
            write_json(path, {"digest": read_json(path)["digest"], "again": time.time()})


def stale(experiment: Experiment) -> list[str]:
    """The wanted tables, figures and pages that are there, and would not be made so now."""
    paths, config, now = experiment.paths, experiment.config, recipes(experiment)
    files = {RUNS: paths.runs_table, CLAIMS: paths.claims("md"), REPORT: paths.report}
    files |= {ANSWER: paths.answer("md")} if config.answer else {}
    for name in experiment.plan.wanted:
        is_table = name in config.tables
        files[name] = paths.table(name, "md") if is_table else paths.figure(name, "png")
    return [
        name
        for name, file in files.items()
        if file.exists() and not _is_of(paths.recipe(name), now[name], file)
    ]


def _is_of(recipe: Path, digest: str, file: Path) -> bool:
    """Whether a file was made after a recipe of that digest was written."""
    return _says(recipe, digest) and recipe.stat().st_mtime <= file.stat().st_mtime


def _says(recipe: Path, digest: str) -> bool:
    known = read_json(recipe) if recipe.exists() else None  # once it was the digest alone
    return isinstance(known, dict) and known["digest"] == digest


def _names(experiment: Experiment, cell: Cell) -> list[str]:
    names, plan = experiment.names, experiment.plan
    of_runs = [
        names.chosen(run) if run.lambda_ == SELECTED else names.run(run)
        for run in plan.fixed_runs(cell)
    ]
    return [*of_runs, names.search(cell)] if plan.searched(cell) else of_runs
