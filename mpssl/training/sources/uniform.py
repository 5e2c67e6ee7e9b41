"""Naive gSSL: images of random latents and random foundation classes (Sec. 4.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.training.sources.base import Ingredients, Source


class UniformSamples(Source):
    """G_F(z, y_F) with z ~ N(0, I) and y_F uniform over the foundation classes, or some of them."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.generator = ingredients.generator
        chosen = ingredients.foundation_classes or range(self.generator.classes)
        self.classes = torch.tensor(chosen, device=ingredients.device)

    @torch.no_grad()
    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Random synthetic images; x gives the number, y is not used."""
        count = self.ratio * len(x)
        with self.streams.use("latents"):
            z = torch.randn(count, self.generator.z_dim, device=x.device)
            drawn = torch.randint(len(self.classes), (count,), device=x.device)
        classes = self.classes[drawn]
        return self.generator(z, F.one_hot(classes, self.generator.classes).to(z))
