"""What people call: before the runs, beside them, and with what they leave."""

import json
import sys
from pathlib import Path

import click

from mpssl.cli.arguments import FILE, FOLDER, PATH, known, of_dataset, of_experiment, threads_option
from mpssl.common.errors import UserError
from mpssl.config import reading
from mpssl.plan.experiment import Experiment


@click.command()
@click.argument("project", type=FOLDER)
@click.option("--images", required=True, type=PATH, help="A folder of class folders, or a CSV.")
@click.option("--test", type=PATH, help="Test images, laid out alike; else a fifth is held out.")
@click.option("--unlabeled", type=PATH, help="A folder of unlabeled images.")
@click.option("--root", type=PATH, help="Where the paths of a CSV start; else at its folder.")
@click.option("--group-by", help="Regular expression: what it finds in a path stays on one side.")
@click.option("--validation", type=click.Choice(["train", "given"]), help="What val is for.")
@click.option("--merge-classes", is_flag=True, default=None, help="Take Cat and cat as one class.")
@click.option(
    "--near-duplicates",
    type=click.Choice(["leave_out", "keep"]),
    default="leave_out",
    show_default=True,
    help="Training images that are test images, saved again.",
)
@click.option(
    "--foundation",
    type=click.Choice(["auto", "small", "biggan-deep-256", "sd-turbo"]),
    default="auto",
    show_default=True,
    help="auto: small where there is no GPU. sd-turbo: images of class names, for a GPU.",
)
@click.option("--architecture", help="Of the classifier; torchvision's names, or timm/NAME.")
def init(project: Path, images: Path, foundation: str, near_duplicates: str, **more) -> None:
    """Write PROJECT/config.yaml for your own images."""
    from mpssl.tools import init_project

    if foundation == "auto":
        import torch

        foundation = "biggan-deep-256" if torch.cuda.is_available() else "small"
    if near_duplicates != "leave_out":
        more["near_duplicates"] = near_duplicates
    click.echo(init_project.initialize(project, images, foundation=foundation, **more))
    click.echo(
        f"\nwrote {project}/config.yaml, foundation {foundation}. What it takes, then the runs:"
    )
    click.echo("\n".join(f"  {line}" for line in init_project.commands(project)))


@click.command()
@of_experiment
@click.option("--calibrate", is_flag=True, help="Time training steps on this device first.")
@click.option(
    "--steps", default=20, show_default=True, type=click.IntRange(min=1), help="Steps to time."
)
@click.option(
    "--calibration",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of measured seconds, such as a GPU campaign's campaign.json.",
)
@click.argument("names", nargs=-1)
def plan(
    experiment: Experiment,
    calibrate: bool,
    steps: int,
    calibration: Path | None,
    names: tuple[str, ...],
) -> None:
    """Say what NAMES take: disk, steps, hours.

    NAMES are tables and figures; without any, those of `wanted`.
    """
    from mpssl.plan.cost_report import report

    chosen = list(dict.fromkeys(names))
    for name in chosen:
        known("table or figure", name, experiment.plan.grids)
    if calibrate:
        from mpssl.tools.calibration import calibrate as measure

        measure(experiment, chosen, steps)
    click.echo(report(experiment, chosen, calibration))


@click.command()
@of_experiment
@threads_option
@click.option("--images-per-class", type=click.IntRange(1), help="Images of each class.")
@click.option("--to", "folder", type=FOLDER, help="Folder of the images.")
@click.option("--seed", type=click.IntRange(0), help="Seed of the latents; 0 if nothing says it.")
def generate(
    experiment: Experiment,
    threads: int,
    images_per_class: int | None,
    folder: Path | None,
    seed: int | None,
) -> None:
    """Make a folder of images with the generator.

    It goes on where it stopped. What is not given is that of foundation.generator.make.
    """
    from mpssl.foundation.pool import make_pool

    settings = experiment.config.foundation.generator
    make = settings.make if settings.kind == "images" else None
    images_per_class = images_per_class or (make and make.images_per_class)
    folder = folder or (make and settings.path)
    if images_per_class is None or folder is None:
        raise UserError("say --images-per-class and --to, or foundation.generator.make")
    if seed is None:
        seed = make.seed if make else 0
    make_pool(experiment, images_per_class, folder, seed, threads)


@click.command()
@of_dataset
@click.option("--write", is_flag=True, help="Add what it would leave out to the list `exclude`.")
def data_check(experiment: Experiment, dataset: str, write: bool) -> None:
    """Verify DATASET's files without packing it.

    Images of your own are all read. The exit code is 1 if some should be left out.
    """
    from mpssl.data import official

    settings, folder = experiment.config.datasets[dataset], experiment.paths.data(dataset)
    if settings.adapter == "folder":
        _check_images(experiment, dataset, write)
        return
    if settings.adapter not in official.LISTINGS:
        raise UserError(f"{settings.title} has no official files to check")
    click.echo(official.check(settings, folder))


def _check_images(experiment: Experiment, dataset: str, write: bool) -> None:
    """Check a person's images; exit with code 1 if some should be left out and are not listed."""
    from mpssl.data.excluded import add_excluded
    from mpssl.data.pictures import FULL_RANGE
    from mpssl.tools.check import check, summary

    settings, cells = experiment.config.datasets[dataset], experiment.plan.wanted_cells()
    fractions = [cell.fraction for cell in cells if cell.dataset == dataset]
    if write and settings.exclude is None:
        raise UserError("the data set has no key `exclude`: write `exclude: ./excluded.csv` first")
    if write and not settings.exclude.exists():
        add_excluded(settings.exclude, settings, {})
    report = check(settings)
    values = experiment.config.packing.values or FULL_RANGE
    click.echo(summary(report, experiment.config.split, min(fractions, default=100), values))
    if report.excluded and write:
        add_excluded(settings.exclude, settings, report.excluded)
        click.echo(f"added {len(report.excluded)} files to {settings.exclude}")
    elif report.excluded:
        click.echo(f"{len(report.excluded)} files are not in the list `exclude`; --write adds them")
        sys.exit(1)


@click.command()
@of_experiment
@click.option("--watch", is_flag=True, help="Refresh until all runs are done.")
def status(experiment: Experiment, watch: bool) -> None:
    """Show which runs are done, running, waiting, failed.

    Reads files only, so it also works beside a cluster.
    """
    from mpssl.tools.status import show

    show(experiment, watch)


@click.command()
@of_experiment
def failures(experiment: Experiment) -> None:
    """Show which jobs failed since the last start, and why."""
    from mpssl.tools.failures import failures_text

    click.echo(failures_text(experiment))


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--profile", default="profiles/slurm", show_default=True, type=PATH, help="Of Snakemake."
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def preflight(profile: Path, arguments: tuple[str, ...]) -> None:
    """Say which jobs SLURM would not start, and why.

    ARGUMENTS are further ones of snakemake, such as --configfile config/mini.yaml. Nothing is
    trained; one short job a partition looks whether nodes see this folder.
    """
    from mpssl.tools.preflight import start_snakemake

    sys.exit(start_snakemake(profile, arguments))


@click.command()
@click.option("--store", type=PATH, default="store", show_default=True, help="Folder of the store.")
@click.option("--older-than", type=float, default=0, metavar="DAYS", help="Leave younger things.")
@click.option("--delete", is_flag=True, help="Remove them; without it they are listed only.")
def gc(store: Path, older_than: float, delete: bool) -> None:
    """List what in the store no experiment refers to."""
    from mpssl.tools.gc import collect_garbage

    click.echo(collect_garbage(store, older_than, delete))


@click.command()
@of_experiment
def adopt(experiment: Experiment) -> None:
    """Take finished runs of an earlier version into the store."""
    from mpssl.tools.adopt import adopt as adopt_

    click.echo(adopt_(experiment))


@click.command()
@click.argument("path", type=PATH)
def trace(path: Path) -> None:
    """List the runs behind a table or figure, as csv."""
    from mpssl.results.trace import trace as trace_

    click.echo(trace_(path))


@click.command()
@click.argument("model", type=PATH)
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option("--csv", "as_csv", is_flag=True, help="Lines of file,label,probability.")
@click.option("--json", "as_json", is_flag=True, help="A JSON object a line.")
@click.option("--top", type=click.IntRange(1), help="So many classes for each image.")
@click.option("--probabilities", is_flag=True, help="All classes: file,CLASS,CLASS,... with --csv.")
@click.option("--copy-to", type=FOLDER, help="Folder for copies, as FOLDER/LABEL/IMAGE.")
def predict(
    model: Path,
    images: tuple[Path, ...],
    as_csv: bool,
    as_json: bool,
    top: int | None,
    probabilities: bool,
    copy_to: Path | None,
) -> None:
    """Label IMAGES (files, folders, a CSV with the column path) with a MODEL file.

    MODEL may be an ONNX file of `mpssl export`. The exit code is 1 if an image is unreadable.
    """
    from mpssl.tools import predict as predicting

    if as_csv and as_json:
        raise UserError("--csv and --json are two forms of the output; take one")
    if probabilities and top is not None:
        raise UserError("--probabilities names all classes and --top some; take one")
    files, others = (f(list(images)) for f in (predicting.find_images, predicting.other_files))
    results = list(predicting.predict(model, files))
    found = [result for result in results if not isinstance(result, UserError)]
    form = "csv" if as_csv else "json_lines" if as_json else "table"
    text = getattr(predicting, f"as_{form}")(found, top or 1, probabilities)
    click.echo(text, nl=form == "table")
    if copy_to is not None:
        predicting.copy_to(copy_to, found)
    for line in predicting.remarks(results, others):
        click.echo(f"mpssl: {line}", err=True)
    if len(found) < len(results):
        sys.exit(1)


@click.command()
@click.argument("model", type=PATH)
@click.option("--onnx", "out", required=True, type=FILE, help="The file to write.")
def export(model: Path, out: Path) -> None:
    """Write a MODEL file as ONNX, checked.

    onnxruntime must give what torch gives.
    """
    from mpssl.tools.export import export_onnx

    difference = export_onnx(model, out)
    click.echo(f"wrote {out}; largest difference of a probability to torch: {difference:.1e}")


@click.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    click.echo(json.dumps(reading.schema(), indent=2))


@click.command()
def reference() -> None:
    """Print docs/configuration.md, which has every key."""
    from mpssl.config.reference_page import reference as page

    click.echo(page(), nl=False)
