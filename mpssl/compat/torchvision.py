"""Import torchvision on any combination of wheels: `from mpssl.compat.torchvision import models`.

torchvision's CUDA wheel beside a CPU-only torch cannot load its compiled operators, and its
import then fails at `torchvision::nms does not exist`. Nothing here uses those operators; declaring
the names is enough.

Delete when: pytorch/vision issue 8985 (and its like, 9085) is cured: such a pair of wheels imports.
"""

import torch

_DECLARATIONS = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}

try:
    from torchvision import datasets, models
except RuntimeError as error:
    if "torchvision::" not in str(error):
        raise
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for _name, _signature in _DECLARATIONS.items():
        if not hasattr(torch.ops.torchvision, _name):
            _library.define(_name + _signature)
    from torchvision import datasets, models

__all__ = ["datasets", "models"]
