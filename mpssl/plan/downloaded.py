"""Where official files of data sets lie, downloaded or fetched by hand; experiments share them."""

from pathlib import Path

from mpssl.config.experiment import Config

DATA = Path("resources/data")
DOWNLOADS = Path("resources/downloads")


def data_folder(config: Config, dataset: str) -> Path:
    """The folder of a data set's unpacked official files, or of the user's own copy."""
    settings = config.datasets[dataset]
    return settings.own_copy or DATA / dataset / settings.archive_root


def absent(config: Config, dataset: str) -> bool:
    """Whether a data set that only a person can fetch is not there."""
    by_hand = config.datasets[dataset].fetched_by_hand
    return by_hand and not data_folder(config, dataset).exists()
