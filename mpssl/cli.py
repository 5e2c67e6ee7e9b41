"""The `mpssl` command: one subcommand a step of the pipeline, each with the same --config."""

import errno
import json
import sys
from pathlib import Path

import click

from mpssl import configfile, preemption
from mpssl.config import Config, nearest
from mpssl.errors import UserError
from mpssl.paths import Paths
from mpssl.plan import Plan, Run

config_option = click.option(
    "--config",
    "config_path",
    default="config/config.yaml",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The experiment's configuration, YAML or JSON.",
)
PATH = click.Path(path_type=Path)
threads_option = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(min=1), help="CPU threads."
)


def main() -> None:
    """Run the command line; every mistake of the user ends as one line and exit code 2.

    A training run that a signal stopped ends with exit code 75: the same command goes on with it.
    """
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as exit_:
        sys.exit(exit_.exit_code)
    except click.Abort:
        sys.exit("mpssl: interrupted")
    except click.ClickException as error:
        _fail(error.format_message())
    except UserError as error:
        _fail(str(error))
    except preemption.Preempted as preempted:
        print(f"mpssl: preempted by {preempted}; run again to go on there", file=sys.stderr)
        sys.exit(preemption.EXIT_CODE)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT):
            raise
        where = f" writing {error.filename}" if error.filename else ""
        _fail(f"{error.strerror}{where}; mend that and run again, finished work is kept")


def _fail(message: str) -> None:
    print(f"mpssl: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mpssl")
def cli() -> None:
    """Generative semi-supervised learning, step by step; `snakemake` runs them all."""


@cli.command()
@config_option
@click.option("--calibrate", is_flag=True, help="Time training steps on this device first.")
@click.option(
    "--steps", default=20, show_default=True, type=click.IntRange(min=1), help="Steps to time."
)
@click.argument("names", nargs=-1)
def plan(config_path: str, calibrate: bool, steps: int, names: tuple[str, ...]) -> None:
    """Say what NAMES take: jobs, disk, hours.

    NAMES are tables and figures; without any, those of `wanted`.
    """
    from mpssl.cost_report import report

    plan = Plan(configfile.load(config_path))
    chosen = list(dict.fromkeys(names))
    for name in chosen:
        _known("table or figure", name, plan.grids)
    if calibrate:
        from mpssl.calibration import calibrate as measure

        measure(plan, chosen, steps)
    click.echo(report(plan, chosen))


@cli.command()
@click.argument("project", type=click.Path(file_okay=False, path_type=Path))
@click.option("--images", required=True, type=PATH, help="A folder of class folders, or a CSV.")
@click.option("--test", type=PATH, help="Test images, laid out alike; else a fifth is held out.")
@click.option("--unlabeled", type=PATH, help="A folder of unlabeled images.")
@click.option(
    "--foundation",
    type=click.Choice(["auto", "small", "biggan-deep-256"]),
    default="auto",
    show_default=True,
    help="auto: small where there is no GPU.",
)
@click.option("--architecture", help="Of the classifier; torchvision's names are known.")
def init(project, images, test, unlabeled, foundation, architecture) -> None:
    """Write PROJECT/config.yaml for your own images."""
    from mpssl import own_data

    if foundation == "auto":
        import torch

        foundation = "biggan-deep-256" if torch.cuda.is_available() else "small"
    click.echo(own_data.initialize(project, images, test, unlabeled, foundation, architecture))
    click.echo(
        f"\nwrote {project}/config.yaml, foundation {foundation}. What it takes, then the runs:\n"
        f"  mpssl plan --config {project}/config.yaml\n"
        f"  snakemake --cores all --configfile {project}/config.yaml"
    )


@cli.command()
@click.argument("model", type=PATH)
@click.argument("images", nargs=-1, required=True, type=PATH)
@click.option("--csv", "as_csv", is_flag=True, help="Lines of file,label,probability.")
def predict(model: Path, images: tuple[Path, ...], as_csv: bool) -> None:
    """Label IMAGES (files, folders) with a MODEL file.

    The exit code is 1 where one is unreadable.
    """
    from mpssl import predict as predicting

    files = predicting.find_images(list(images))
    results = list(predicting.predict(model, files))
    found = [result for result in results if not isinstance(result, UserError)]
    click.echo(predicting.as_csv(found) if as_csv else predicting.as_table(found), nl=not as_csv)
    unread = [result for result in results if isinstance(result, UserError)]
    for error in unread:
        click.echo(f"mpssl: skipped: {error}", err=True)
    if unread:
        sys.exit(1)


@cli.command()
@click.argument("model", type=PATH)
@click.option("--onnx", "out", required=True, type=PATH, help="The file to write.")
def export(model: Path, out: Path) -> None:
    """Write a MODEL file as ONNX, checked.

    onnxruntime must give what torch gives.
    """
    from mpssl.export import export_onnx

    difference = export_onnx(model, out)
    click.echo(f"wrote {out}; largest difference of a probability to torch: {difference:.1e}")


@cli.command()
@config_option
@click.argument("dataset")
@click.argument("architecture")
def domain(config_path: str, dataset: str, architecture: str) -> None:
    """Measure how far the generator is from DATASET.

    The distance is in the features of the foundation classifier of ARCHITECTURE.
    """
    from mpssl import domain as measuring

    config = configfile.load(config_path)
    _known("data set", dataset, config.datasets)
    if config.domain is None:
        raise UserError("the configuration has no `domain`; write `domain: {}`")
    click.echo(measuring.measure(config, dataset, architecture))


@cli.command()
@config_option
def answer(config_path: str) -> None:
    """Say whether synthetic images help on your data."""
    from mpssl.results.answer import make_answer

    config = configfile.load(config_path)
    if config.answer is None:
        raise UserError("the configuration has no `answer`; `mpssl init` shows one")
    make_answer(config)


@cli.command()
@config_option
@click.argument("dataset")
def pack(config_path: str, dataset: str) -> None:
    """Turn DATASET into uint8 arrays, once."""
    from mpssl.data import adapters, store

    config = configfile.load(config_path)
    _known("data set", dataset, config.datasets)
    paths, settings = Paths(config), config.datasets[dataset]
    reading = adapters.read_dataset(settings, config.packing, paths.data(dataset))
    store.save(paths.packed(dataset), reading, config.packing.size)


@cli.command()
@config_option
@click.argument("dataset")
def data_check(config_path: str, dataset: str) -> None:
    """Verify DATASET's files without packing it.

    Images of your own are all read.
    """
    from mpssl.data import official

    config = configfile.load(config_path)
    _known("data set", dataset, config.datasets)
    settings, folder = config.datasets[dataset], Paths(config).data(dataset)
    if settings.adapter == "folder":
        from mpssl import own_data

        click.echo(own_data.summary(settings, own_data.check(settings)))
        return
    if settings.adapter not in official.LISTINGS:
        raise UserError(f"{settings.title} has no official files to check")
    click.echo(official.check(settings, folder))


@cli.command()
@config_option
@click.argument("dataset")
def fetch(config_path: str, dataset: str) -> None:
    """Download and unpack DATASET."""
    from mpssl.data import download

    config = configfile.load(config_path)
    _known("data set", dataset, config.datasets)
    settings, paths = config.datasets[dataset], Paths(config)
    if not getattr(settings, "downloads", []):
        raise UserError(f"{settings.title} cannot be downloaded; docs/data.md says how to get it")
    click.echo(f"{settings.title}: terms of use: {settings.licence}")
    download.prepare(settings.downloads, paths.downloads / dataset, paths.unpacked(dataset))


@cli.command()
@config_option
@click.argument("file")
def fetch_weights(config_path: str, file: str) -> None:
    """Download one FILE of the foundation's weights."""
    from mpssl.data import download

    config = configfile.load(config_path)
    for folder, wanted in Plan(config).weight_downloads():
        if wanted.file == file:
            download.fetch(wanted, folder)
            return
    raise UserError(f"the configuration has no download of weights named {file}")


@cli.command()
@config_option
@click.argument("dataset")
@click.argument("fraction", type=click.IntRange(1, 100))
def split(config_path: str, dataset: str, fraction: int) -> None:
    """Split DATASET's pool at a label FRACTION (percent).

    The parts are D, D_val and D_u.
    """
    from mpssl.data import split as splitting
    from mpssl.data import store

    config = configfile.load(config_path)
    _known("data set", dataset, config.datasets)
    packed = store.load(Paths(config).packed(dataset))
    splitting.write_split(Paths(config).split(dataset, fraction), packed, fraction, config.split)


@cli.command()
@config_option
@threads_option
def train_generator(config_path: str, threads: int) -> None:
    """Train the small generator on the foundation."""
    from mpssl import foundation_jobs

    foundation_jobs.make_generator(configfile.load(config_path), threads)


@cli.command()
@config_option
@threads_option
@click.argument("architecture")
def train_classifier(config_path: str, threads: int, architecture: str) -> None:
    """Train the foundation classifier of one ARCHITECTURE."""
    from mpssl import foundation_jobs

    foundation_jobs.make_classifier(configfile.load(config_path), architecture, threads)


@cli.command()
@config_option
@threads_option
@click.argument("run")
def train(config_path: str, threads: int, run: str) -> None:
    """Train one RUN.

    It is named as its folder below results/EXPERIMENT/runs/.
    """
    config = configfile.load(config_path)
    parsed = _parse_run(config, run)
    with preemption.watched():
        from mpssl.runner import execute

        execute(config, parsed, threads)


@cli.command()
@config_option
@click.argument("cell")
def select(config_path: str, cell: str) -> None:
    """Choose lambda for a CELL by validation accuracy."""
    from mpssl.results.records import select_weight

    config = configfile.load(config_path)
    select_weight(config, _parse_run(config, f"{cell}/lambda-0/seed-0").cell)


@cli.command()
@config_option
def collect(config_path: str) -> None:
    """Gather the finished runs in runs.csv and search.csv."""
    from mpssl.results.records import collect_runs

    collect_runs(configfile.load(config_path))


@cli.command()
@config_option
@click.argument("name")
def table(config_path: str, name: str) -> None:
    """Write table NAME as csv, md and tex."""
    from mpssl.results.tables import make_table

    config = configfile.load(config_path)
    _known("table", name, config.tables)
    make_table(config, name)


@cli.command()
@config_option
@click.argument("name")
def figure(config_path: str, name: str) -> None:
    """Draw figure NAME as png and pdf, its numbers as csv."""
    from mpssl.results.figures import make_figure

    config = configfile.load(config_path)
    _known("figure", name, config.figures)
    make_figure(config, name)


@cli.command()
@config_option
def claims(config_path: str) -> None:
    """Test the paper's claims on the finished runs."""
    from mpssl.results.claims import make_claims

    make_claims(configfile.load(config_path))


@cli.command()
@click.argument("path", type=click.Path(path_type=Path))
def trace(path: Path) -> None:
    """List the runs behind a table or figure, as csv."""
    from mpssl.results.trace import trace as trace_

    click.echo(trace_(path))


@cli.command()
@config_option
def report(config_path: str) -> None:
    """Write report.html: all results on one page."""
    from mpssl.results.report import make_report

    make_report(configfile.load(config_path))


@cli.command()
@config_option
@click.option("--watch", is_flag=True, help="Refresh until all runs are done.")
def status(config_path: str, watch: bool) -> None:
    """Show which runs are done, running, waiting, failed.

    Reads files only, so it also works beside a cluster.
    """
    from mpssl.status import show

    show(configfile.load(config_path), watch)


@cli.command()
@config_option
def times(config_path: str) -> None:
    """Print the wall time of each stage of the last runs."""
    from mpssl.results.times import print_times

    print_times(configfile.load(config_path))


@cli.command()
def schema() -> None:
    """Print the JSON schema of the configuration."""
    click.echo(json.dumps(configfile.schema(), indent=2))


@cli.command()
def reference() -> None:
    """Print docs/configuration.md, which has every key."""
    from mpssl.reference import reference as page

    click.echo(page(), nl=False)


def _known(kind: str, name: str, names: dict) -> None:
    if name not in names:
        raise UserError(f"unknown {kind} '{name}'{nearest(name, names)}")


def _parse_run(config: Config, text: str) -> Run:
    """A run whose data set and method exist in the configuration."""
    try:
        run = Run.parse(text)
        config.method(run.cell.row)
    except ValueError as error:
        raise UserError(str(error)) from None
    _known("data set", run.cell.dataset, config.datasets)
    reason = Plan(config).impossible(run.cell)
    if reason:
        raise UserError(f"{run.cell.id} cannot be run: {reason}")
    return run
