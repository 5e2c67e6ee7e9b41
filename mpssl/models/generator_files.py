"""The names of a BigGAN's files, in a module that imports no torch."""

from pathlib import Path


def generator_weights(folder: Path, trained: bool = False) -> Path:
    """Return the file of a generator's weights, in our format if it exists or is to be trained."""
    own = folder / "model.safetensors"
    return own if trained or own.exists() else folder / "pytorch_model.bin"
