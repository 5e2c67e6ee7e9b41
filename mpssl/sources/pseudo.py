"""P-SSL (Yamaguchi et al., 2022): foundation labels from a foundation classifier."""

import torch
from torch import Tensor

from mpssl.sources.base import Ingredients, Source


class PseudoSamples(Source):
    """G_F(z, softmax f_F(x)) with x from the labeled batch. Paper: Eq. (5)."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.generator = ingredients.generator
        self.classifier = ingredients.foundation_classifier

    @torch.no_grad()
    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Synthetic images whose soft foundation labels are those of x; y is not used."""
        labels = self.classifier(x).softmax(dim=1).repeat(self.ratio, 1)
        with self.streams.use("latents"):
            z = torch.randn(len(labels), self.generator.z_dim, device=x.device)
        return self.generator(z, labels)
