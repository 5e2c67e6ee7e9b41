"""Folders of the package diffusers: what is in one, and how it is opened. It is an extra."""

import json
import logging
from pathlib import Path
from typing import Any

from mpssl.common.errors import UserError, one_line

INDEX = "model_index.json"
CLASSES, ONE_STEP = "ConsistencyModelPipeline", "StableDiffusionPipeline"


def import_diffusers():
    """The package diffusers.

    Raises:
        UserError: it is not installed.
    """
    from mpssl.compat.torchvision import models  # noqa: F401, which transformers imports

    try:
        import diffusers
        import transformers
    except ImportError as error:
        raise UserError(
            f"generators of diffusers need {error.name}: pip install 'mpssl[diffusers]'"
        ) from None
    diffusers.logging.set_verbosity_error()
    transformers.logging.set_verbosity_error()
    logging.getLogger("diffusers").setLevel(logging.ERROR)
    return diffusers


def index_of(folder: Path) -> dict[str, Any]:
    """What a folder says of its pipeline. No package of the extra is needed.

    Raises:
        UserError: it is no folder of diffusers, or has weights of another format.
    """
    path = folder / INDEX
    try:
        content = json.loads(path.read_text())
        content["_class_name"].lower()
    except FileNotFoundError:
        raise UserError(
            f"{folder} has no {INDEX}; it is a folder as save_pretrained of diffusers writes it"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UserError(f"{path} is damaged; fetch it again") from None
    if not any(folder.glob("*/*.safetensors")):
        raise UserError(
            f"{folder} has no weights as *.safetensors, and others are not read; fetch them too"
        )
    return content


def weight_files(folder: Path) -> list[Path]:
    """The files on which a pipeline's images depend, sorted; a file itself is the only one."""
    if folder.is_file():
        return [folder]
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix in (".json", ".safetensors", ".txt", ".model") and path.is_file()
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def problem(folder: Path, with_prompts: bool, in_training: bool = False) -> str | None:
    """Why a folder's pipeline cannot be the generator that is asked for, or None.

    Args:
        folder: of the pipeline.
        with_prompts: whether it is to make images of texts.
        in_training: whether it makes them in the training step, and not for a pool.

    Raises:
        UserError: as `index_of`.
    """
    name = index_of(folder)["_class_name"]
    if name == CLASSES:
        return f"the {name} in {folder} makes classes, not texts" if with_prompts else None
    if with_prompts and in_training and name != ONE_STEP:
        return f"the {name} in {folder} is not known in training; make a pool of it"
    if not with_prompts:
        return (
            f"the {name} in {folder} is no class-conditional consistency model; if it makes images "
            "of texts, give `prompts`"
        )
    return None


def fetch(model: str, revision: str, folder: Path) -> None:
    """Fetch a pipeline's configuration and safetensors from the hub.

    Raises:
        UserError: the hub cannot be reached, or has no such model or revision.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UserError(
            "the hub needs the package huggingface_hub: pip install 'mpssl[diffusers]'"
        ) from None
    wanted = ["*.json", "*.txt", "*.model", "*/*.safetensors"]
    variants = ["*.fp16.*", "*.bf16.*", "*non_ema*", "*onnx*", "*openvino*", "*flax*"]
    try:
        snapshot_download(
            model,
            revision=revision,
            local_dir=folder,
            allow_patterns=wanted,
            ignore_patterns=variants,
        )
    except Exception as error:  # of the hub, of HTTP, of the disk
        reason = one_line(str(error))[:120]
        raise UserError(
            f"{model} at {revision} cannot be fetched ({type(error).__name__}: {reason}); put the "
            f"files of https://huggingface.co/{model}/tree/{revision}, {INDEX} first, into {folder}"
        ) from None
    index_of(folder)


def opened(load, folder: Path, **options: Any):
    """What a loader of diffusers makes of a folder, without a network and without code of others.

    Raises:
        UserError: it cannot be loaded.
    """
    try:
        return load(str(folder), use_safetensors=True, local_files_only=True, **options)
    except Exception as error:  # each part has its own
        reason = one_line(f"{type(error).__name__}: {error}")[:200]
        raise UserError(f"the pipeline in {folder} cannot be loaded: {reason}") from None
