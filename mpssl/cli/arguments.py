"""The subcommands of `mpssl`: `tools` are for people, `steps` for the pipeline's rules."""

import functools
from collections.abc import Callable
from pathlib import Path

import click

from mpssl.common.errors import UserError, nearest
from mpssl.config import reading
from mpssl.config.experiment import Config
from mpssl.plan.cells import Run
from mpssl.plan.plan import Plan

PATH = click.Path(path_type=Path)
threads_option = click.option(
    "--threads", default=1, show_default=True, type=click.IntRange(min=1), help="CPU threads."
)


def of_experiment(command: Callable) -> Callable:
    """Give a command the option --config, and as first argument what that file says."""

    @click.option(
        "--config",
        "config_path",
        default="config/config.yaml",
        show_default=True,
        type=click.Path(dir_okay=False),
        help="The experiment's configuration, YAML or JSON.",
    )
    @functools.wraps(command)
    def wrapped(config_path: str, **arguments) -> None:
        command(reading.load(config_path), **arguments)

    return wrapped


def of_dataset(command: Callable) -> Callable:
    """`of_experiment`, with the argument DATASET, a data set of that experiment."""

    @of_experiment
    @click.argument("dataset")
    @functools.wraps(command)
    def wrapped(config: Config, dataset: str, **arguments) -> None:
        known("data set", dataset, config.datasets)
        command(config, dataset=dataset, **arguments)

    return wrapped


def known(kind: str, name: str, names: dict) -> None:
    """Refuse a name that is not among `names`.

    Raises:
        UserError: it is not; with a hint.
    """
    if name not in names:
        raise UserError(f"unknown {kind} '{name}'{nearest(name, names)}")


def parse_run(config: Config, text: str) -> Run:
    """A run whose data set and method exist in the configuration.

    Raises:
        UserError: they do not, or the run cannot be.
    """
    try:
        run = Run.parse(text)
        config.method(run.cell.row)
    except ValueError as error:
        raise UserError(str(error)) from None
    known("data set", run.cell.dataset, config.datasets)
    reason = Plan(config).impossible(run.cell)
    if reason:
        raise UserError(f"{run.cell.id} cannot be run: {reason}")
    return run
