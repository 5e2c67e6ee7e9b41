"""All results of an experiment on one page that needs no server, script or network."""

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean

import jinja2
import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup

from mpssl.common.files import write_text
from mpssl.plan.cells import Cell
from mpssl.plan.experiment import Experiment
from mpssl.results.page.claimed import claims
from mpssl.results.page.converter import maps, recorded
from mpssl.results.page.differences import differences
from mpssl.results.page.mistakes import mistakes
from mpssl.results.page.outcome import Outcome, outcomes, sentences, summary
from mpssl.results.page.panels import over_labels, over_training
from mpssl.results.page.pictures import of_file
from mpssl.results.records import Records
from mpssl.results.times import OF_ALL_STARTS, stage_times
from mpssl.runs.record import RunRecord
from mpssl.shipped import REPORT_STYLE, REPORT_TEMPLATE

OF_SAMPLES = ("samples", "classes", "trajectory")
IN_UNITS = (
    "Distance is from a synthetic image to real ones of its class, diversity is between synthetic "
    "images of one class, both in the features that training starts from and divided by the mean "
    "distance between real images of one class: 1 is as among real images."
)
CAPTIONS = {
    "dots": "Mean over the seeds with its 95 % interval (Student's t), and each seed in pale.",
    "differences": "Mean of the paired differences in test accuracy, with its 95 % interval over "
    "seeds and test images. Blue is the oracle, green real images of the foundation, orange "
    "synthetic images, grey no new image.",
    "samples": "Unlabeled images as the classifier got them at the end of training, before their "
    "views, sorted by class; real ones above.",
    "classes": "One row a class; synthetic images of the first seed's last snapshot. The numbers "
    f"are means over classes and seeds. {IN_UNITS}",
    "trajectory": "The same noise at each epoch, so that only what is learned changes; epoch 0 is "
    "before training. At the right the likeliest foundation classes of each class at the last "
    "epoch. Curves are means over classes and seeds. "
    f"{IN_UNITS} Entropy is at most the logarithm of the number of foundation classes.",
}


@dataclass(frozen=True)
class Picture:
    """A figure of the page."""

    name: str
    title: str
    caption: str
    source: str
    """A data URI."""


def make_report(experiment: Experiment) -> None:
    """Write report.html from the finished tables, figures, claims and records."""
    config, paths, plan = experiment.config, experiment.paths, experiment.plan
    tables = [name for name in plan.wanted if name in config.tables]
    pictures = [name for name in plan.wanted if name in config.figures]
    records = Records(experiment, plan.wanted_cells())
    every, found = records.every, outcomes(records)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(REPORT_TEMPLATE.read_text()).render(
        style=Markup(REPORT_STYLE.read_text()),
        experiment=config.experiment,
        runs=len({paths.run(record.run).folder.resolve() for record in every}),
        seeds=len(config.seeds),
        datasets=[
            config.datasets[name].title
            for name in dict.fromkeys(record.run.cell.dataset for record in every)
        ],
        summary=summary(found),
        verdicts=[(outcome, sentences(outcome)) for outcome in found],
        charts=[chart for outcome in found if (chart := differences(outcome)) is not None],
        labels=over_labels(records),
        curves=over_training(records, _shown_over_training(experiment, found)),
        tables=[(name, _html(paths.table(name, "md").read_text())) for name in tables],
        maps=maps(records, found),
        recorded=recorded(found),
        mistakes=mistakes(records, found),
        claims=claims(records),
        figures=[_picture(experiment, n) for n in pictures if config.figures[n].kind == "dots"],
        samples=[_picture(experiment, n) for n in pictures if config.figures[n].kind in OF_SAMPLES],
        configuration=yaml.safe_dump(
            config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=96
        ),
        environment=_environment(every),
        stages=stage_times(experiment),
        of_all_starts=OF_ALL_STARTS,
        methods=_method_times(experiment, every),
    )
    write_text(paths.report, page)


def _shown_over_training(experiment: Experiment, found: list[Outcome]) -> list[Cell]:
    """The cells of the first chart and of the wanted figures of curves."""
    plan, figures = experiment.plan, experiment.config.figures
    cells = [entry.cell for outcome in found for entry in outcome.entries]
    curves = [n for n in plan.wanted if n in figures and figures[n].kind == "curves"]
    return list(dict.fromkeys([*cells, *(cell for n in curves for cell in plan.cells(n))]))


def _html(markdown: str) -> Markup:
    """Our own Markdown as HTML: headings below the page's, each table in a box that scrolls."""
    parser = MarkdownIt("commonmark").enable("table")
    parser.options["html"] = True  # <u>, <br>
    tokens = parser.parse(markdown)
    for token in tokens:
        if token.type.startswith("heading"):
            token.tag = "h3"
    text = parser.renderer.render(tokens, parser.options, {})
    text = text.replace("<table>", '<div class="scroll" tabindex="0"><table>')
    return Markup(text.replace("</table>", "</table></div>"))


def _picture(experiment: Experiment, name: str) -> Picture:
    figure = experiment.config.figures[name]
    caption = " ".join(part for part in (CAPTIONS[figure.kind], figure.note) if part)
    return Picture(name, figure.title, caption, of_file(experiment.paths.figure(name, "png")))


def _environment(records: list[RunRecord]) -> dict[str, str]:
    """What the runs were made with; several values where they differ."""
    found = defaultdict(set)
    for record in records:
        found["device"].add(record.device)
        found["commit"].add(record.commit or "not under git")
        found["source digest"].add(record.digests.code)
        for name, version in record.versions.items():
            found[name].add(version)
    return {name: ", ".join(sorted(values)) for name, values in found.items()}


def _method_times(
    experiment: Experiment, records: list[RunRecord]
) -> list[tuple[str, str, int, float, float]]:
    """Method, architecture, runs, mean and summed seconds of training."""
    seconds = defaultdict(list)
    for record in records:
        cell = record.run.cell
        seconds[experiment.plan.method(cell).label, cell.architecture].append(record.seconds)
    return [(*key, len(v), fmean(v), sum(v)) for key, v in seconds.items()]
