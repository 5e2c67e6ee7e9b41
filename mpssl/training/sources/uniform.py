"""Naive gSSL: images of random latents and random foundation classes (Sec. 4.1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.training.sources.base import Ingredients, Source


class UniformSamples(Source):
    """G_F(z, y_F) with z ~ N(0, I) and y_F uniform over the foundation classes."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.generator = ingredients.generator

    @torch.no_grad()
    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Random synthetic images; x gives the number, y is not used."""
        count = self.ratio * len(x)
        with self.streams.use("latents"):
            z = torch.randn(count, self.generator.z_dim, device=x.device)
            classes = torch.randint(self.generator.classes, (count,), device=x.device)
        return self.generator(z, F.one_hot(classes, self.generator.classes).to(z))
