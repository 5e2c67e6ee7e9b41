"""A step in parts that fit in the device's memory; its gradients are those of the whole step."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from mpssl.machine.compiled import compiled
from mpssl.models.classifier import Classifier
from mpssl.models.generator import FrozenGenerator
from mpssl.training.by_block import pass_by_block

Result = TypeVar("Result")


class Stateful(Protocol):
    """Something that a training step moves."""

    def state_dict(self) -> dict:
        """Its state."""

    def load_state_dict(self, state: dict) -> Any:
        """Go back to that state."""


class Parts:
    """How many images pass through the networks of a run at a time.

    Args:
        model: the classifier, which goes block by block unless a batch is taken as a whole.
        generator: G_F, if the source has one.
        images: images of a step's largest batch.
        images_per_pass: images of a part; with `images` or more the batch is whole.
        may_halve: whether parts are halved, once, if a step does not fit in the memory.
        compiles: whether whole batches pass through compiled networks where no second derivative
            and no gradient of the generator is taken.
    """

    def __init__(
        self,
        model: Classifier,
        generator: FrozenGenerator | None,
        images: int,
        images_per_pass: int,
        may_halve: bool = False,
        compiles: bool = False,
    ) -> None:
        self.model, self.generator = model, generator
        self.images = images
        self.may_halve, self.compiles = may_halve, compiles
        self.halved = False
        """Whether memory ran out, so that the parts are half as large as they were to be."""
        self._take(images_per_pass)

    def attempt(self, step: Callable[[], Result], moved: Sequence[Stateful]) -> Result:
        """Take a step; if memory runs out, once more from its start, with parts half as large.

        Args:
            step: takes it.
            moved: what it changes, beside the model, before it moves the weights.

        Raises:
            torch.OutOfMemoryError: the step does not fit, and parts were halved before.
        """
        if not self.may_halve or self.halved:
            return step()
        # A state's tensors are those that a step overwrites.
        before = copy.deepcopy([part.state_dict() for part in moved])
        buffers = [buffer.clone() for buffer in self.model.buffers()]
        try:
            return step()
        except torch.OutOfMemoryError:
            pass  # what the step has allocated lives as long as its exception
        self._halve()
        for part, state in zip(moved, before, strict=True):
            part.load_state_dict(state)
        for buffer, value in zip(self.model.buffers(), buffers, strict=True):
            buffer.copy_(value)
        return step()

    def _halve(self) -> None:
        self.halved = True
        self._take((self.images_per_pass + 1) // 2)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        print(
            f"memory ran out: going on with training.images_per_pass: {self.images_per_pass}",
            flush=True,
        )

    def _take(self, count: int) -> None:
        self.images_per_pass = min(count, self.images)
        whole = self.images_per_pass == self.images
        self.model.passes = None if whole else pass_by_block
        compiles = self.compiles and whole
        self.logits: Callable[[Tensor], Tensor] = compiled(self.model) if compiles else self.model
        """The classifier's pass over the labeled images."""
        if self.generator is not None:
            self.generator.images_per_pass = None if whole else count
            self.generator.compile_passes(compiles)
