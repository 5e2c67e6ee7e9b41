"""The subcommands of `mpssl`: `tools` are for people, `steps` for the pipeline's rules."""

import functools
from collections.abc import Callable
from pathlib import Path

import click

from mpssl.common.errors import UserError, nearest
from mpssl.common.files import refuse_undecodable
from mpssl.plan.cells import Cell, Run
from mpssl.plan.experiment import Experiment


class Place(click.Path):
    """A path whose name can be written into a configuration."""

    def convert(self, value, parameter, context) -> Path:
        """The path.

        Raises:
            UserError: its name is not UTF-8.
        """
        path = Path(super().convert(value, parameter, context)).absolute()
        refuse_undecodable(path)
        return Path(value)


PATH = Place()
FILE, FOLDER = Place(dir_okay=False), Place(file_okay=False)  # that a command writes
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
        command(Experiment.load(config_path), **arguments)

    return wrapped


def of_dataset(command: Callable) -> Callable:
    """`of_experiment`, with the argument DATASET, a data set of that experiment."""

    @of_experiment
    @click.argument("dataset")
    @functools.wraps(command)
    def wrapped(experiment: Experiment, dataset: str, **arguments) -> None:
        known("data set", dataset, experiment.config.datasets)
        command(experiment, dataset=dataset, **arguments)

    return wrapped


def known(kind: str, name: str, names: dict) -> None:
    """Refuse a name that is not among `names`.

    Raises:
        UserError: it is not; with a hint.
    """
    if name not in names:
        raise UserError(f"unknown {kind} '{name}'{nearest(name, names)}")


def check_cell(experiment: Experiment, cell: Cell) -> None:
    """Refuse a cell whose data set or method is not in the configuration, or that cannot be run.

    Raises:
        UserError: it is such a cell.
    """
    try:
        experiment.plan.method(cell)
    except ValueError as error:
        raise UserError(str(error)) from None
    known("data set", cell.dataset, experiment.config.datasets)
    reason = experiment.plan.impossible(cell)
    if reason:
        raise UserError(f"{cell.id} cannot be run: {reason}")


def parsed(kind: type[Cell] | type[Run], text: str) -> Cell | Run:
    """The cell or run of an id.

    Raises:
        UserError: `text` is not of the form of an id.
    """
    try:
        return kind.parse(text)
    except ValueError as error:
        raise UserError(str(error)) from None
