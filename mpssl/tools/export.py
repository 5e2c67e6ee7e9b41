"""A trained model as ONNX, checked against torch."""

import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError
from mpssl.common.files import atomic, make_folder
from mpssl.models import model_file
from mpssl.models.classifier import Classifier
from mpssl.tools import onnx_file

TOLERANCE = 1e-4  # of probabilities; float32 and another order of sums stay far below it


class Probabilities(nn.Module):
    """Images [B, 3, S, S] in [0, 1] to probabilities [B, K]."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        """Softmax of the logits."""
        return self.model(image).softmax(dim=1)


def export_onnx(model_path: Path, out: Path) -> float:
    """Write a model as ONNX and return the largest difference to torch's probabilities.

    The input `image` is [B, 3, S, S] in [0, 1], any B; normalization is inside. Labels and the
    steps before it are in the metadata (`mpssl.tools.onnx_file.metadata`).

    Raises:
        UserError: onnx or onnxruntime is missing, the file's folder cannot be made, or the two
            disagree; then no file is left.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(f"export needs {error.name}: {onnx_file.INSTALL}") from None
    model, description = model_file.load(model_path)
    make_folder(out.parent)
    network, side = Probabilities(model).eval(), description.image_size
    with atomic(out) as path, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's exporter warns of its own parts
        batch = torch.export.Dim("batch")
        program = torch.onnx.export(
            network,
            (torch.rand(2, 3, side, side),),
            dynamo=True,
            input_names=[onnx_file.INPUT],
            output_names=[onnx_file.OUTPUT],
            dynamic_shapes=({0: batch},),
            verbose=False,
        )
        graph = program.model_proto
        onnx.helper.set_model_props(graph, onnx_file.metadata(description))
        onnx.save(graph, path)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        difference = max(_difference(session, network, count, side) for count in (1, 5))
        if not difference <= TOLERANCE:
            raise UserError(
                f"onnxruntime and torch differ by {difference:.1e} on random images, more than "
                f"{TOLERANCE:g}; {out} is not written"
            )
    return difference


@torch.no_grad()
def _difference(session, network: nn.Module, count: int, side: int) -> float:
    """The largest difference of probabilities over `count` random images."""
    images = torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))
    (found,) = session.run(None, {onnx_file.INPUT: images.numpy()})
    return (torch.from_numpy(found) - network(images)).abs().max().item()
