"""The steps of the pipeline, in their order."""

import click

from mpssl.cli.arguments import known, of_dataset, of_experiment, parse_run, threads_option
from mpssl.common.errors import UserError
from mpssl.config.experiment import Config
from mpssl.machine import preemption
from mpssl.plan.paths import Paths
from mpssl.plan.plan import Plan


@click.command()
@of_dataset
def fetch(config: Config, dataset: str) -> None:
    """Download and unpack DATASET."""
    from mpssl.data import download

    settings, paths = config.datasets[dataset], Paths(config)
    if not getattr(settings, "downloads", []):
        raise UserError(f"{settings.title} cannot be downloaded; docs/data.md says how to get it")
    click.echo(f"{settings.title}: terms of use: {settings.licence}")
    download.prepare(settings.downloads, paths.downloads / dataset, paths.unpacked(dataset))


@click.command()
@of_experiment
@click.argument("file")
def fetch_weights(config: Config, file: str) -> None:
    """Download one FILE of the foundation's weights."""
    from mpssl.data import download

    for folder, wanted in Plan(config).weight_downloads():
        if wanted.file == file:
            download.fetch(wanted, folder)
            return
    raise UserError(f"the configuration has no download of weights named {file}")


@click.command()
@of_dataset
def pack(config: Config, dataset: str) -> None:
    """Turn DATASET into uint8 arrays, once."""
    from mpssl.data import adapters, store

    paths, settings = Paths(config), config.datasets[dataset]
    reading = adapters.read_dataset(settings, config.packing, paths.data(dataset))
    store.save(paths.packed(dataset), reading, config.packing.size)


@click.command()
@of_dataset
@click.argument("fraction", type=click.IntRange(1, 100))
def split(config: Config, dataset: str, fraction: int) -> None:
    """Split DATASET's pool at a label FRACTION (percent).

    The parts are D, D_val and D_u.
    """
    from mpssl.data import split as splitting
    from mpssl.data import store

    packed = store.load(Paths(config).packed(dataset))
    splitting.write_split(Paths(config).split(dataset, fraction), packed, fraction, config.split)


@click.command()
@of_experiment
@threads_option
def train_generator(config: Config, threads: int) -> None:
    """Train the small generator on the foundation."""
    from mpssl.foundation import jobs

    jobs.make_generator(config, threads)


@click.command()
@of_experiment
@threads_option
@click.argument("architecture")
def train_classifier(config: Config, threads: int, architecture: str) -> None:
    """Train the foundation classifier of one ARCHITECTURE."""
    from mpssl.foundation import jobs

    jobs.make_classifier(config, architecture, threads)


@click.command()
@of_dataset
@click.argument("architecture")
def domain(config: Config, dataset: str, architecture: str) -> None:
    """Measure how far the generator is from DATASET.

    The distance is in the features of the foundation classifier of ARCHITECTURE.
    """
    from mpssl.foundation.domain_distance import measure_domain_distance

    if config.domain is None:
        raise UserError("the configuration has no `domain`; write `domain: {}`")
    click.echo(measure_domain_distance(config, dataset, architecture))


@click.command()
@of_experiment
@threads_option
@click.argument("run")
def train(config: Config, threads: int, run: str) -> None:
    """Train one RUN.

    It is named as its folder below results/EXPERIMENT/runs/.
    """
    parsed = parse_run(config, run)
    with preemption.watched():
        from mpssl.runs.runner import execute

        execute(config, parsed, threads)


@click.command()
@of_experiment
@click.argument("cell")
def select(config: Config, cell: str) -> None:
    """Choose lambda for a CELL by validation accuracy."""
    from mpssl.results.collect import select_weight

    select_weight(config, parse_run(config, f"{cell}/lambda-0/seed-0").cell)


@click.command()
@of_experiment
def collect(config: Config) -> None:
    """Gather the finished runs in runs.csv and search.csv."""
    from mpssl.results.collect import collect_runs

    collect_runs(config)


@click.command()
@of_experiment
@click.argument("name")
def table(config: Config, name: str) -> None:
    """Write table NAME as csv, md and tex."""
    from mpssl.results.tables import make_table

    known("table", name, config.tables)
    make_table(config, name)


@click.command()
@of_experiment
@click.argument("name")
def figure(config: Config, name: str) -> None:
    """Draw figure NAME as png and pdf, its numbers as csv."""
    from mpssl.results.figures import make_figure

    known("figure", name, config.figures)
    make_figure(config, name)


@click.command()
@of_experiment
def claims(config: Config) -> None:
    """Test the paper's claims on the finished runs."""
    from mpssl.results.claims import make_claims

    make_claims(config)


@click.command()
@of_experiment
def report(config: Config) -> None:
    """Write report.html: all results on one page."""
    from mpssl.results.report import make_report

    make_report(config)


@click.command()
@of_experiment
def answer(config: Config) -> None:
    """Say whether synthetic images help on your data."""
    from mpssl.results.answer import make_answer

    if config.answer is None:
        raise UserError("the configuration has no `answer`; `mpssl init` shows one")
    make_answer(config)


@click.command()
@of_experiment
def times(config: Config) -> None:
    """Print the wall time of each stage of the last runs."""
    from mpssl.results.times import print_times

    print_times(config)
