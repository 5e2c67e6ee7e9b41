"""Memory of a training step on its device, by a formula. No torch: the planner uses it too.

Of the largest of a step's parts it counts what autograd stores. At the paper's sizes it gives 1.1
to 1.25 times what PyTorch's allocator gives out (docs/performance.md); `images_per_pass` leaves a
reserve for what lies between its blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mpssl.config.architectures import BACKBONES

FLOAT = 4  # bytes
GENERATOR_STORES = 1.25  # times its maps, with what its backward pass needs beside them
# Times the classifier's maps, by whether it differentiates twice: all of them at once, or block by
# block, the largest block's and all blocks' inputs.
AT_ONCE, IN_BLOCKS = {False: 1.0, True: 2.5}, {False: 0.5, True: 1.1}
# In blocks, of ResNets with bottlenecks: their largest block is a smaller part of them.
IN_BOTTLENECKS = {False: 0.25, True: 0.7}
BOTTLENECKS = {"resnet50", "resnet101"}
VIEWS = {False: 6, True: 24}  # images that the two views store for each one, by the same
WEIGHTS = 7  # theta, its gradient, momentum, theta', two gradients and a direction of LMO
RESERVE = 0.8  # of the free memory that a step may take
PROGRAM = 1.2e9  # bytes of CUDA's context and libraries
ASSUMED_MAPS = 700  # numbers for a pixel of an unknown generator: BigGAN-deep-256's number
CARDS = (8, 12, 16, 24, 40, 48, 80, 141)  # GB of usual GPUs


@dataclass(frozen=True)
class StepMemory:
    """What a step's memory depends on."""

    architecture: str
    image_size: int
    """Side of the classifier's images, pixels."""
    labeled: int
    """Labeled images of a step."""
    unlabeled: int
    """Unlabeled images of a step; 0 if there are none."""
    generator_bytes: int = 0
    """Of the generator's weights; 0 without one."""
    generator_maps: int = 0
    """Numbers that the generator's layers return for an image."""
    learns: bool = False
    """Whether LMO differentiates twice."""

    @property
    def images(self) -> int:
        """Images of the larger of the two batches."""
        return max(self.labeled, self.unlabeled)

    def bytes(self, images_per_pass: int) -> float:
        """Bytes of a step whose parts have `images_per_pass` images, its networks included."""
        backbone, pixels = BACKBONES[self.architecture], self.image_size**2
        whole = images_per_pass >= self.images
        in_blocks = IN_BOTTLENECKS if self.architecture in BOTTLENECKS else IN_BLOCKS
        stored = (AT_ONCE if whole else in_blocks)[self.learns]
        passed = max(self.labeled, 2 * self.unlabeled)
        classifier = FLOAT * backbone.maps * pixels * stored * passed
        views = FLOAT * VIEWS[self.learns] * 3 * pixels * self.unlabeled
        at_once = min(images_per_pass, self.unlabeled)
        generator = FLOAT * GENERATOR_STORES * self.generator_maps * at_once
        if self.learns:
            # As a whole, the generator's maps are stored while the classifier passes are made.
            most = generator + classifier if whole else max(generator, classifier)
        else:
            most = max(generator / 3, classifier)  # without gradients a few maps are kept
        return WEIGHTS * backbone.bytes + self.generator_bytes + views + most

    def images_per_pass(self, free: float) -> int:
        """The largest of the batch, its half, its quarter, ... whose step fits in `free` bytes."""
        part = self.images
        while part > 1 and self.bytes(part) > RESERVE * free:
            part = (part + 1) // 2
        return part

    def card(self) -> int | None:
        """GB of the smallest usual GPU on which a step fits in parts; None if it fits on none."""
        return next((c for c in CARDS if self.bytes(1) <= RESERVE * (c * 1e9 - PROGRAM)), None)


def generator_maps(layers: Sequence[tuple[bool, int, int]], width: int) -> int:
    """Numbers that a BigGAN's blocks store for an image.

    Args:
        layers: its blocks, each as (whether it doubles the side, input and output channels).
        width: unit in which they count channels.
    """
    side, count = 4, 0
    for doubles, inputs, _ in layers:
        larger = 2 * side if doubles else side
        inside = inputs * width // 4
        count += (inputs * width + inside) * side**2 + 2 * inside * larger**2
        side = larger
    return count + layers[-1][2] * width * side**2
