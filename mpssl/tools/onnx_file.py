"""What an exported ONNX file says of itself, and its use with onnxruntime."""

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from mpssl.common.errors import UserError, one_line
from mpssl.models.model_file import Description
from mpssl.models.tensor_file import FORMAT

SUFFIX = ".onnx"
INPUT, OUTPUT = "image", "probability"
INSTALL = "pip install --constraint constraints.txt -e '.[onnx]'"
FILTER = {"filter": "bilinear", "antialias": True, "resized_by": "Pillow's Image.resize, in 8 bits"}
WAYS = {
    "crop": "the largest square in the middle is resized",
    "squash": "the whole picture is resized, whatever its shape",
    "pad": "the whole picture is resized and padded with the background",
}


def metadata(description: Description) -> dict[str, str]:
    """The metadata of an ONNX file: JSON for programs under `mpssl`, and the same in words.

    The preprocessing is that of `mpssl.data.pictures` and the middle `image_size` pixels of it.
    """
    packing, size, side = description.packing, description.packing_size, description.image_size
    content = asdict(description) | {"background": packing.background} | FILTER
    mean, std = (", ".join(f"{v:g}" for v in x) for x in (description.mean, description.std))
    return {
        FORMAT: json.dumps(content, ensure_ascii=False),
        "classes": json.dumps(description.classes, ensure_ascii=False),
        "resize": f"to {size} x {size}: {WAYS[description.resize]}; {FILTER['filter']} with "
        f"antialiasing, {FILTER['resized_by']}",
        "crop": f"the middle {side} x {side} pixels",
        "range": "RGB, [B, 3, H, W], 0 is black and 1 is white",
        "normalization": f"in the graph: minus {mean}, divided by {std}",
    }


def load(path: Path) -> tuple[Callable[[np.ndarray], np.ndarray], Description]:
    """Open an ONNX file that `mpssl export` wrote.

    Returns:
        A function from images, float32 [B, 3, S, S] in [0, 1], to probabilities, float32 [B, K],
        and the description of the model.

    Raises:
        UserError: onnxruntime is missing, or the file is missing, damaged, or of another origin.
    """
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"an ONNX file needs onnxruntime: {INSTALL}") from None
    if not path.is_file():
        raise UserError(f"the model {path} does not exist, or is not a regular file")
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception for each of its states
        raise UserError(f"{path} is damaged, or not an ONNX file: {one_line(str(error))}") from None
    return _run(session), _description(path, session)


def _run(session: Any) -> Callable[[np.ndarray], np.ndarray]:
    return lambda images: session.run([OUTPUT], {INPUT: images})[0]


def _description(path: Path, session: Any) -> Description:
    """The description of the model.

    Raises:
        UserError: the file does not have one, or it is not that of the graph.
    """
    known = {field.name for field in fields(Description)}
    ends = {end.name: end.shape[1:] for end in (*session.get_inputs(), *session.get_outputs())}
    try:
        content = json.loads(session.get_modelmeta().custom_metadata_map[FORMAT])
        found = Description(**{key: content[key] for key in known & set(content)})
        side, count = found.image_size, len(found.classes)
        if ends != {INPUT: [3, side, side], OUTPUT: [count]}:
            raise ValueError("the graph is another")
        return found
    except (KeyError, TypeError, ValueError, RecursionError):
        raise UserError(
            f"{path} does not say how images are prepared for it: only files that `mpssl export` "
            "wrote do"
        ) from None
