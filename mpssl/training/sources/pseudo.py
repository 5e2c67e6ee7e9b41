"""P-SSL (Yamaguchi et al., 2022): foundation labels from a foundation classifier."""

import torch
from torch import Tensor

from mpssl.training.sources.base import Ingredients, Source


class PseudoSamples(Source):
    """G_F(z, softmax f_F(x)) with x from the labeled batch. Paper: Eq. (5)."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.generator = ingredients.generator
        self.classifier = ingredients.foundation_classifier

    @torch.no_grad()
    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Synthetic images whose soft foundation labels are those of x; y is not used."""
        labels = self.foundation_labels(x, y).repeat(self.ratio, 1)
        with self.streams.use("latents"):
            z = torch.randn(len(labels), self.generator.z_dim, device=x.device)
        return self.generator(z, labels)

    @torch.no_grad()
    def foundation_labels(self, x: Tensor, y: Tensor) -> Tensor:
        """The foundation classifier's probabilities of x."""
        return self.classifier(x).softmax(dim=1)
