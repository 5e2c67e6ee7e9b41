"""The files of a BigGAN, for those who only need their names. Imports no torch."""

from pathlib import Path


def generator_weights(folder: Path, trained: bool = False) -> Path:
    """The file of a generator's weights: our own format where it is there or will be."""
    own = folder / "model.safetensors"
    return own if trained or own.exists() else folder / "pytorch_model.bin"
