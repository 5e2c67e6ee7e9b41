"""The steps of the pipeline, in their order."""

import hashlib

import click

from mpssl.cli.arguments import check_cell, known, of_dataset, of_experiment, parsed, threads_option
from mpssl.common.errors import UserError
from mpssl.common.files import read_made
from mpssl.common.once import make_once
from mpssl.machine import preemption
from mpssl.plan.cells import Cell, Run
from mpssl.plan.experiment import Experiment


@click.command()
@of_dataset
def fetch(experiment: Experiment, dataset: str) -> None:
    """Download and unpack DATASET."""
    from mpssl.data import download

    settings, paths = experiment.config.datasets[dataset], experiment.paths
    if not settings.to_download:
        raise UserError(f"{settings.title} cannot be downloaded; docs/data.md says how to get it")
    click.echo(f"{settings.title}: terms of use: {settings.licence}")
    download.prepare(settings.to_download, paths.downloads / dataset, paths.unpacked(dataset))


@click.command()
@of_experiment
@click.argument("file")
def fetch_weights(experiment: Experiment, file: str) -> None:
    """Download one FILE of the foundation's weights."""
    from mpssl.data import download

    for folder, wanted in experiment.plan.weight_downloads():
        if wanted.file == file:
            path = download.fetch(wanted, folder)
            if wanted.sha256 is None:  # for a person who wants to pin it
                with open(path, "rb") as content:
                    click.echo(
                        f"{path}: sha256 {hashlib.file_digest(content, 'sha256').hexdigest()}"
                    )
            return
    raise UserError(f"the configuration has no download of weights named {file}")


@click.command()
@of_experiment
def fetch_pipeline(experiment: Experiment) -> None:
    """Fetch the generator's pipeline from the hub."""
    from mpssl.models import pipelines

    network = experiment.config.foundation.network
    if network is None or network.kind != "diffusers" or not network.of_hub:
        raise UserError("the generator is no pipeline of the hub")
    pipelines.fetch(network.model, network.revision, network.folder)


@click.command()
@of_dataset
def pack(experiment: Experiment, dataset: str) -> None:
    """Turn DATASET into uint8 arrays, once."""
    from mpssl.data import adapters, store

    config, paths = experiment.config, experiment.paths
    settings, folder = config.datasets[dataset], paths.data(dataset)
    place = paths.packed(dataset)

    def make() -> None:
        reading = adapters.read_dataset(settings, config.packing, folder)
        try:
            store.save(place, reading, config.packing.size)
        except UserError as error:
            if settings.adapter != "folder" or not str(error).endswith("remove it"):
                raise
            check = f"`mpssl data-check --config CONFIG {dataset} --write`"
            raise UserError(f"{error}, or leave it out by {check}") from None

    make_once(place, place / store.META, make)


@click.command()
@of_dataset
@click.argument("fraction", type=click.IntRange(1, 100))
@click.argument("seed", type=click.IntRange(0), default=0)
def split(experiment: Experiment, dataset: str, fraction: int, seed: int) -> None:
    """Split DATASET's pool at a label FRACTION (percent) for the runs of SEED.

    The parts are D, D_val and D_u. SEED changes nothing if one split serves all seeds.
    """
    from mpssl.data import split as splitting
    from mpssl.data import store

    path, settings = experiment.paths.split(dataset, fraction, seed), experiment.config.split

    def make() -> None:
        packed = store.load(experiment.paths.packed(dataset))
        splitting.write_split(path, packed, fraction, settings, seed)

    make_once(path.parent, path, make)


@click.command()
@of_experiment
@threads_option
def train_generator(experiment: Experiment, threads: int) -> None:
    """Train the small generator on the foundation."""
    from mpssl.foundation import jobs

    maker = experiment.maker or experiment
    folder, last = maker.paths.generator(), maker.paths.generator_files()[-1]
    make_once(folder, last, lambda: jobs.make_generator(maker, threads))


@click.command()
@of_experiment
def pack_pool(experiment: Experiment) -> None:
    """Turn a pool of generated images into an array, once."""
    from mpssl.foundation import pool

    folder, last = experiment.paths.generator(), experiment.paths.generator_files()[-1]
    make_once(folder, last, lambda: pool.pack_pool(experiment))


@click.command()
@of_dataset
def check_pool(experiment: Experiment, dataset: str) -> None:
    """Look for DATASET's test images in the pool."""
    from mpssl.foundation import pool

    path = experiment.paths.pool_check(dataset)
    make_once(path.parent, path, lambda: click.echo(pool.check_pool(experiment, dataset)))


@click.command()
@of_experiment
@threads_option
@click.argument("architecture")
def train_classifier(experiment: Experiment, threads: int, architecture: str) -> None:
    """Train the foundation classifier of one ARCHITECTURE."""
    from mpssl.foundation import jobs

    path = experiment.paths.classifier(architecture)
    make_once(path.parent, path, lambda: jobs.make_classifier(experiment, architecture, threads))


@click.command()
@of_experiment
@threads_option
def ship_foundation(experiment: Experiment, threads: int) -> None:
    """Make of a trained foundation one that the package carries."""
    from mpssl.foundation.ship import ship

    ship(experiment, threads)


@click.command()
@of_dataset
@click.argument("architecture")
def domain(experiment: Experiment, dataset: str, architecture: str) -> None:
    """Measure how far the generator is from DATASET.

    The distance is in the features of the foundation classifier of ARCHITECTURE.
    """
    from mpssl.foundation.domain_distance import measure_domain_distance

    if experiment.config.domain is None:
        raise UserError("the configuration has no `domain`; write `domain: {}`")
    path = experiment.paths.domain(dataset, architecture)
    make_once(path.parent, path, lambda: measure_domain_distance(experiment, dataset, architecture))
    click.echo(read_made(path)["verdict"])


@click.command()
@of_experiment
@threads_option
@click.argument("run")
def train(experiment: Experiment, threads: int, run: str) -> None:
    """Train one RUN.

    It is named as its folder below results/EXPERIMENT/runs/. If the store has it, nothing is done.
    """
    wanted = parsed(Run, run)
    check_cell(experiment, wanted.cell)
    with preemption.watched():
        from mpssl.runs.stored import train_once

        train_once(experiment, wanted, threads)


@click.command()
@of_experiment
@click.argument("cell")
def select(experiment: Experiment, cell: str) -> None:
    """Choose lambda for a CELL by validation accuracy."""
    from mpssl.results.collect import select_lambda

    wanted = parsed(Cell, cell)
    check_cell(experiment, wanted)
    path = experiment.paths.selected(wanted)
    make_once(path.parent, path, lambda: select_lambda(experiment, wanted))


@click.command()
@of_experiment
@threads_option
@click.argument("cell")
def halve(experiment: Experiment, threads: int, cell: str) -> None:
    """Search lambda for a CELL by successive halving."""
    wanted = parsed(Cell, cell)
    check_cell(experiment, wanted)
    path = experiment.paths.selected(wanted)
    with preemption.watched():
        from mpssl.runs.halving import search_by_halving

        make_once(path.parent, path, lambda: search_by_halving(experiment, wanted, threads))


@click.command()
@of_experiment
def collect(experiment: Experiment) -> None:
    """Gather the finished runs in runs.csv and search.csv."""
    from mpssl.results.collect import collect_runs

    collect_runs(experiment)


@click.command()
@of_experiment
@click.argument("name")
def table(experiment: Experiment, name: str) -> None:
    """Write table NAME as csv, md and tex."""
    from mpssl.results.tables import make_table

    known("table", name, experiment.config.tables)
    make_table(experiment, name)


@click.command()
@of_experiment
@click.argument("name")
def figure(experiment: Experiment, name: str) -> None:
    """Draw figure NAME as png and pdf, its numbers as csv."""
    from mpssl.results.figures import make_figure

    known("figure", name, experiment.config.figures)
    make_figure(experiment, name)


@click.command()
@of_experiment
def claims(experiment: Experiment) -> None:
    """Test the paper's claims on the finished runs."""
    from mpssl.results.claims import make_claims

    make_claims(experiment)


@click.command()
@of_experiment
def report(experiment: Experiment) -> None:
    """Write report.html: all results on one page."""
    from mpssl.results.report import make_report

    make_report(experiment)


@click.command()
@of_experiment
def answer(experiment: Experiment) -> None:
    """Say whether synthetic images help on your data."""
    from mpssl.results.answer import make_answer

    if experiment.config.answer is None:
        raise UserError("the configuration has no `answer`; `mpssl init` shows one")
    make_answer(experiment)


@click.command()
@of_experiment
def times(experiment: Experiment) -> None:
    """Print the wall time of each stage, over all starts.

    Of each job it is that of its last run.
    """
    from mpssl.results.times import print_times

    print_times(experiment)
