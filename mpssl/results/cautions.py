"""What a reader must know before a verdict: of the generator, and of the validation accuracy."""

from mpssl.common.files import read_made
from mpssl.plan.cells import Column
from mpssl.plan.experiment import Experiment
from mpssl.results.gains import Compared


def domain_of(experiment: Experiment, column: Column) -> dict | None:
    """What was measured before training of the distance from the generator to the data."""
    if experiment.config.domain is None:
        return None
    path = experiment.paths.domain(column.dataset, column.architecture)
    return read_made(path) if path.exists() else None


def far(domain: dict | None) -> tuple[str, str] | None:
    """That the generator is far from the data, if it was measured and is: first words and rest."""
    if domain is None or not domain["far"]:
        return None
    return "The generator is far from your data", (
        f"its nearest image is {domain['distance']:.2f} times as far from one of yours as the "
        f"nearest other of yours (above {domain['threshold']:g} is far). What follows says nothing "
        "of a nearer generator."
    )


def doubt(entry: Compared) -> str | None:
    """That the images that choose the epoch train phi and xi too, if they all do."""
    lmo = entry.runs[0].settings.lmo
    if lmo is None or not lmo.validation_weight or lmo.validation_part < 1:
        return None
    return (
        f"The validation images also train what {entry.label} asks of the generator, so its "
        "validation accuracy may be too high (lmo.validation_part keeps some of them apart)."
    )
