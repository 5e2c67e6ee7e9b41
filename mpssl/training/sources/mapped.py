"""Images made for a target class, by a map that a person wrote (as Real Guidance's prompts are)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from mpssl.training.sources.base import Images, Ingredients, Source, Step


class MappedSamples(Source):
    """G_F(z, y_F) with z ~ N(0, I) and y_F uniform over a target class's foundation classes."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.generator = ingredients.generator
        rows = torch.zeros(ingredients.classes, self.generator.classes)
        for target, chosen in enumerate(ingredients.class_map):
            rows[target, chosen] = 1 / len(chosen)
        self.rows = rows.to(ingredients.device)

    def for_step(self, step: Step) -> Images:
        """Images for the classes of the labeled batch, with these classes."""
        return Images(self.sample(step.x, step.y), classes=step.y.repeat(self.ratio))

    @torch.no_grad()
    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Synthetic images for the classes y, in their order, `ratio` times; x is not used."""
        rows = self.rows[y.repeat(self.ratio)]
        with self.streams.use("latents"):
            z = torch.randn(len(rows), self.generator.z_dim, device=x.device)
            drawn = torch.multinomial(rows, 1).squeeze(1)
        return self.generator(z, F.one_hot(drawn, self.generator.classes).to(z))

    def foundation_labels(self, x: Tensor, y: Tensor) -> Tensor:
        """The map's probabilities for the classes y."""
        return self.rows[y]
