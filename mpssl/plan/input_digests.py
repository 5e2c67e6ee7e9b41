"""Digests of what runs are made from, as it lies on disk."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, read_made
from mpssl.config.data import Download
from mpssl.config.experiment import Config
from mpssl.data import store
from mpssl.plan.paths import Paths


def generator_digest(config: Config) -> str:
    """Digest of the generator's files.

    Raises:
        UserError: a file is missing, or not the one that the configuration downloads.
    """
    files = Paths(config).generator_files()
    return _weights_digest(files, config.foundation.generator.to_download)


def classifier_digest(config: Config, architecture: str) -> str:
    """Digest of the foundation classifier's file.

    Raises:
        UserError: it is not the one that the configuration downloads.
    """
    files = [Paths(config).classifier(architecture)]
    return _weights_digest(files, config.foundation.classifier.to_download)


def _weights_digest(files: Iterable[Path], downloads: Iterable[Download]) -> str:
    """Digest of files of weights; those that were downloaded are compared with their sha256."""
    wanted = {download.file: download.sha256 for download in downloads}
    for path in files:
        if not path.exists():
            raise UserError(f"{path} does not exist; run snakemake again")
        if wanted.get(path.name) is not None:
            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != wanted[path.name]:
                raise UserError(
                    f"{path} has sha256 {found}, expected {wanted[path.name]}; delete it and run "
                    "snakemake again"
                )
    return file_digest(*files)


def lying_there(config: Config, name: str, of: str) -> str | None:
    """The digest of one input on disk, or None where it is not there (any more).

    Packed data are not hashed for it: their meta.json is read.

    Args:
        config: of the experiment.
        name: of the digest in a run's record.
        of: of which data set, split (`DATASET/FRACTION`) or architecture.
    """
    paths = Paths(config)
    if name == "data":
        return store.stored_digest(paths.packed(of))
    if name == "foundation_images":
        return store.stored_digest(paths.packed(config.foundation.dataset))
    if name == "split":
        path = paths.split(*of.split("/"))
        return read_made(path)["digest"] if path.exists() else None
    if name == "generator":
        there = all(path.exists() for path in paths.generator_files())
        return generator_digest(config) if there else None
    if name == "foundation_classifier":
        return classifier_digest(config, of) if paths.classifier(of).exists() else None
    return None
