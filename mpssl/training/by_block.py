"""A classifier's passes block by block: a block stores its input and computes the rest again.

A block is one function of its input and parameters that can be differentiated twice, as the layers
of `second_order` are. What lies within it is computed once more in each backward pass and freed
after it, so that the memory of a pass is that of its largest block. The passes stay whole batches,
as batch norm wants them: gradients are those of the plain pass.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from threading import local
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from mpssl.compat.autograd import is_wanted
from mpssl.models.classifier import Classifier, statistics_frozen


class TwiceDifferentiated(TorchFunctionMode):
    """A mode for passes that are differentiated twice; their blocks are computed again in it."""

    _entered: ClassVar = local()  # a thread's own, as the modes are

    @classmethod
    def active(cls) -> "TwiceDifferentiated | None":
        """The innermost such mode in which the calling thread is."""
        entered = getattr(cls._entered, "modes", [])
        return entered[-1] if entered else None

    def __enter__(self) -> "TwiceDifferentiated":
        self._entered.modes = [*getattr(self._entered, "modes", []), self]
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        self._entered.modes = self._entered.modes[:-1]
        super().__exit__(*error)


def pass_by_block(model: Classifier, images: Tensor) -> Tensor:
    """The features of normalized images [B, 3, H, W], one block of g after the other."""
    blocks = model.blocks
    if len(blocks) == 1 or not torch.is_grad_enabled():
        return model.backbone(images)
    x = images
    for block in blocks:
        x = _Block.apply(x, _Recipe(model, block, x.device.type), *block.parameters())
    return x


class _Recipe:
    """A block and how it was called, to call it in the same way again."""

    def __init__(self, model: Classifier, block: nn.Module, device_type: str) -> None:
        self.model, self.block, self.device_type = model, block, device_type
        self.names = [name for name, _ in block.named_parameters()]
        self.training = model.training
        self.mode = TwiceDifferentiated.active()
        self.autocast = torch.is_autocast_enabled(device_type)

    def again(self, x: Tensor, parameters: Sequence[Tensor], in_mode: bool) -> Tensor:
        """The block's output with its graph; running statistics stay as they are."""
        with ExitStack() as contexts:
            contexts.enter_context(torch.enable_grad())
            contexts.enter_context(statistics_frozen(self.block))
            contexts.enter_context(
                torch.autocast(self.device_type, torch.bfloat16, enabled=self.autocast)
            )
            if in_mode and self.mode is not None:
                contexts.enter_context(self.mode)
            contexts.callback(self.block.train, self.model.training)
            self.block.train(self.training)
            state = dict(zip(self.names, parameters, strict=True))
            return torch.func.functional_call(self.block, state, (x,))

    def gradients(
        self,
        gradient: Tensor,
        x: Tensor,
        parameters: Sequence[Tensor],
        wanted: Sequence[bool],
        create_graph: bool = False,
    ) -> list[Tensor | None]:
        """The gradients at x and the parameters, each None if it is not wanted or is zero."""
        with torch.enable_grad():
            inner = x.view_as(x)  # not a leaf, of which autograd cannot say whether it is wanted
        # Its functions return nothing at the parameters unless they are differentiated again.
        y = self.again(inner, parameters, create_graph or not any(wanted[1:]))
        inputs = [t for t, w in zip((inner, *parameters), wanted, strict=True) if w]
        found = iter(
            torch.autograd.grad(y, inputs, gradient, create_graph=create_graph, allow_unused=True)
        )
        return [next(found) if w else None for w in wanted]


def _leaf(tensor: Tensor) -> Tensor:
    return tensor.detach().requires_grad_()


class _Block(Function):
    @staticmethod
    def forward(ctx, x, recipe, *parameters):
        ctx.save_for_backward(x, *parameters)
        ctx.recipe = recipe
        return recipe.block(x)

    @staticmethod
    def backward(ctx, gradient):
        recipe, (x, *parameters) = ctx.recipe, ctx.saved_tensors
        wanted = [is_wanted(ctx.next_functions[0][0]), *ctx.needs_input_grad[2:]]
        if torch.is_grad_enabled():
            at_x, *at_parameters = _BlockBackward.apply(gradient, x, recipe, wanted, *parameters)
        else:
            if recipe.mode is not None:  # the last pass, which goes towards the inputs alone
                wanted[1:] = [False] * len(parameters)
            at_x, *at_parameters = recipe.gradients(
                gradient, _leaf(x), list(map(_leaf, parameters)), wanted
            )
        return at_x, None, *at_parameters


class _BlockBackward(Function):
    @staticmethod
    def forward(ctx, gradient, x, recipe, wanted, *parameters):
        ctx.save_for_backward(gradient, x, *parameters)
        ctx.recipe = recipe
        ctx.set_materialize_grads(False)
        return tuple(recipe.gradients(gradient, _leaf(x), list(map(_leaf, parameters)), wanted))

    @staticmethod
    @once_differentiable
    def backward(ctx, *along):
        """`along`: the gradient at each of the outputs of `forward`, None for zero."""
        gradient, x, *parameters = map(_leaf, ctx.saved_tensors)
        wanted = [direction is not None for direction in along]
        found = ctx.recipe.gradients(gradient, x, parameters, wanted, create_graph=True)
        pairs = [
            (f, a) for f, a in zip(found, along, strict=True) if f is not None and f.requires_grad
        ]
        if not pairs:
            return None, None, None, None, *(None for _ in parameters)
        outputs, directions = zip(*pairs, strict=True)
        at_gradient, at_x = torch.autograd.grad(
            outputs, (gradient, x), directions, allow_unused=True
        )
        return at_gradient, at_x, None, None, *(None for _ in parameters)
