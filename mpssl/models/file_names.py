"""The names of model files, for those who need no more than the names. Imports no torch."""

from pathlib import Path

MODEL = "model.safetensors"
GENERATOR_CONFIG = "config.json"
OFFICIAL_GENERATOR = "pytorch_model.bin"


def generator_weights(folder: Path, trained: bool = False) -> Path:
    """The file of a generator's weights: our own format if it is there or will be."""
    own = folder / MODEL
    return own if trained or own.exists() else folder / OFFICIAL_GENERATOR
