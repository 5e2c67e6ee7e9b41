"""Real images: the split's D_u (oracle), the foundation's own (transfer), D itself (control)."""

from torch import Tensor

from mpssl.training.rng import Shuffled
from mpssl.training.sources.base import Images, Ingredients, Source, Step


class RealImages(Source):
    """Batches of real images in random order, without replacement within a pass."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.unlabeled = ingredients.unlabeled
        self.order = Shuffled(len(self.unlabeled), self.unlabeled.prefetch)

    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """The next real images; x gives the number, y is not used."""
        return self.unlabeled.centre_images(self._next_rows(x))

    def _next_rows(self, x: Tensor) -> Tensor:
        with self.streams.use("unlabeled_order"):
            return self.order.next(self.ratio * len(x))

    def state_dict(self) -> dict:
        """The position in the present pass."""
        return self.order.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Go on at that position."""
        self.order.load_state_dict(state)


class LabeledImages(RealImages):
    """The images of D in an order of their own, which the labeled batch does not follow."""

    def for_step(self, step: Step) -> Images:
        """The next images, with their classes."""
        pixels, classes = self.unlabeled.centre(self._next_rows(step.x))
        return Images(pixels, classes=classes)
