"""Networks that PyTorch's compiler makes faster."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError
from mpssl.compat.compiler import compiler_error


def compiled(network: nn.Module) -> Callable[..., Tensor]:
    """A network as one compiled function, whose first call for each shape compiles it.

    Its result can be differentiated once.

    Returns:
        The function. It raises UserError if there is no working compiler on this machine.
    """
    fast = torch.compile(network, dynamic=False)

    def call(*inputs: Tensor) -> Tensor:
        try:
            return fast(*inputs)
        except compiler_error() as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"training.compile: this machine cannot compile ({reason}); install a C++ "
                "compiler, or leave the key out"
            ) from None

    return call
