"""Digests of the files that runs are made from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from mpssl.common.errors import UserError
from mpssl.common.files import file_digest, read_made
from mpssl.config.data import Download
from mpssl.data import store
from mpssl.models.pipelines import weight_files
from mpssl.plan.experiment import Experiment


def generator_digest(experiment: Experiment) -> str:
    """Digest of the generator's files.

    Raises:
        UserError: a file is missing, or not the one that the configuration downloads.
    """
    generator, files = experiment.config.foundation.generator, experiment.paths.generator_files()
    if generator.kind == "diffusers":
        files = weight_files(generator.folder)
        files += [] if generator.lora is None else weight_files(generator.lora)
    return _weights_digest(files, generator.to_download)


def classifier_digest(experiment: Experiment, architecture: str) -> str:
    """Digest of the foundation classifier's file.

    Raises:
        UserError: it is not the one that the configuration downloads.
    """
    downloads = experiment.config.foundation.classifier.to_download
    return _weights_digest([experiment.paths.classifier(architecture)], downloads)


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


def digest_on_disk(experiment: Experiment, name: str, of: str) -> str | None:
    """The digest of one input as it is on disk now, or None if it is not there (any more).

    Packed data are not hashed for it: their meta.json is read.

    Args:
        experiment: whose input it is.
        name: of the digest in a run's record.
        of: of which data set, split (its file) or architecture.
    """
    paths = experiment.paths
    if name == "data":
        return store.stored_digest(paths.packed(of))
    if name == "foundation_images":
        return store.stored_digest(paths.packed(experiment.config.foundation.dataset))
    if name == "split":
        path = Path(of)
        return read_made(path)["digest"] if path.exists() else None
    if name == "generator":
        there = all(path.exists() for path in paths.generator_files())
        return generator_digest(experiment) if there else None
    if name == "foundation_classifier":
        there = paths.classifier(of).exists()
        return classifier_digest(experiment, of) if there else None
    return None
