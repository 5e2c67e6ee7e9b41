"""Real unlabeled images: the split's D_u (oracle) or the foundation's own images (transfer)."""

from torch import Tensor

from mpssl.training.rng import Shuffled
from mpssl.training.sources.base import Ingredients, Source


class RealImages(Source):
    """Batches of real images in random order, without replacement within a pass."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.unlabeled = ingredients.unlabeled
        self.order = Shuffled(len(self.unlabeled), self.unlabeled.prefetch)

    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """The next real images; x gives the number, y is not used."""
        with self.streams.use("unlabeled_order"):
            return self.unlabeled.centre_images(self.order.next(self.ratio * len(x)))

    def state_dict(self) -> dict:
        """The position in the present pass."""
        return self.order.state_dict()

    def load_state_dict(self, state: dict) -> None:
        """Go on at that position."""
        self.order.load_state_dict(state)
