"""Latent meta-optimization: images chosen by the mapper and the converter that it learns.

Paper: Sec. 3.1, Eqs. (6) to (9) and Algorithm 1, lines 3 to 10.

phi and xi are reached through a few *outputs*: the images and, if xi is learned by the score
function, the log-probabilities of their foundation labels. A term of Eq. (6) is represented by its
gradient at each output: at the images, and at the log-probabilities, which is each image's credit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mpssl.compat.optimizers import Adam
from mpssl.models.classifier import Classifier
from mpssl.models.latents import ConditionalMapper, LabelConverter
from mpssl.training.evaluate import mean_probability
from mpssl.training.gap import feature_gap
from mpssl.training.meta_gradient import validation_gradient
from mpssl.training.rng import Shuffled
from mpssl.training.score_function import credit_of_pairs, credit_of_shares
from mpssl.training.second_order import SecondOrder
from mpssl.training.sources.base import Images, Ingredients, Source, Step

RELATED_PART = 0.1  # of the foundation classes, which count as related to the target


@dataclass
class Draw:
    """The random part of a batch of synthetic images, and the images once they are made."""

    x: Tensor
    """The labeled images [B, 3, S, S] that they are compared with."""
    y: Tensor
    """Target classes [U]."""
    z: Tensor
    """Latents [U, Z]."""
    noise: Tensor
    """Gumbel noise of the label converter [U, foundation classes]."""
    images: Tensor | None = None
    """The images [U, 3, S, S], with their graph to phi and xi."""

    def state_dict(self) -> dict[str, Tensor]:
        """What the images are made of; a resumed run makes them again."""
        return {"x": self.x, "y": self.y, "z": self.z, "noise": self.noise}


class LatentMetaOptimization(Source):
    """G_F(M_phi(z, y), I_xi(y)), with phi and xi learned by Adam before each classifier step."""

    def __init__(self, ingredients: Ingredients) -> None:
        super().__init__(ingredients)
        self.settings = settings = ingredients.lmo
        self.generator = ingredients.generator
        with self.streams.use("latent_weights"):
            self.mapper = ConditionalMapper(
                settings.mapper, self.generator.z_dim, ingredients.classes
            ).to(ingredients.device)
            self.converter = LabelConverter(
                settings.converter, ingredients.classes, self.generator.classes
            ).to(ingredients.device)
        self.optimizer = Adam(
            [
                {"params": self.mapper.parameters(), "lr": settings.mapper_learning_rate},
                {"params": self.converter.parameters(), "lr": settings.converter_learning_rate},
            ]
        )
        self.labeled = ingredients.labeled
        self.foundation_classifier = ingredients.foundation_classifier
        self.validation = ingredients.validation
        self.validation_order = Shuffled(len(self.validation))
        self._carried: Draw | None = None  # made in the last step, for the next one

    def for_step(self, step: Step) -> Images:
        """Learn, then make images of the same z and y anew. Paper: Algorithm 1, lines 3 to 10."""
        if step.number % self.settings.adapt_every:
            return super().for_step(step)
        draw, self._carried = self._carried or self._new_draw(step.x, step.y), None
        record = self.learn(step, draw)
        if self.settings.carry_samples:  # the next step learns from the images of this one
            self._carried = draw = self._new_draw(step.x, step.y)
            draw.images = self._generate(draw)
        if self.settings.carry_samples or self.settings.reuse_samples:
            return Images(draw.images.detach(), record=record)
        if self.settings.converter.redraw_noise:
            with self.streams.use("latents"):
                draw.noise = self.converter.draw_noise(len(draw.noise))
        with torch.no_grad():
            return Images(self._generate(draw), record=record)

    def learn(self, step: Step, draw: Draw) -> dict[str, Tensor]:
        """Take one step of Adam on phi and xi down Eq. (6). Paper: Algorithm 1, lines 6 to 8.

        Everything reaches phi and xi through the images, so the gradients are gathered there and
        go back through the generator once; balanced terms go one by one.

        Returns:
            The two terms' values and, in some steps, the norms of their gradients before balance.
        """
        if draw.images is None:
            draw.images = self._generate(draw)
        leaf = draw.images.detach().requires_grad_()
        at_outputs, record = self._output_gradients(step, draw.x, leaf)
        if not at_outputs:  # both terms are switched off
            return record
        outputs, balanced = self._outputs(draw), self.settings.balance == "norms"
        gradients = {}
        if balanced or step.number % self.settings.record_every == 0:
            gradients = self._gradients(outputs, at_outputs)
        if step.number % self.settings.record_every == 0:
            record |= {name: _norm(gradient) for name, (_, gradient) in gradients.items()}
        self.optimizer.zero_grad()
        if balanced:
            for parameters, gradient in gradients.values():
                _add_direction(parameters, gradient)
        else:
            both = [sum(each) for each in zip(*at_outputs.values(), strict=True)]
            torch.autograd.backward(outputs, both)
        self.optimizer.step()
        return record

    def _new_draw(self, x: Tensor, y: Tensor) -> Draw:
        with self.streams.use("latents"):
            z = torch.randn(self.ratio * len(y), self.generator.z_dim, device=y.device)
            return Draw(x, y.repeat(self.ratio), z, self.converter.draw_noise(len(z)))

    @torch.no_grad()
    def sample(self, x: Tensor, y: Tensor) -> Tensor:
        """Images of new latents for the classes y, made with the present phi and xi."""
        return self._generate(self._new_draw(x, y))

    def foundation_labels(self, x: Tensor, y: Tensor) -> Tensor:
        """The label converter's rows for y, without noise."""
        return self.converter.rows()[y]

    def foundation_map(self) -> Tensor:
        """The label converter's rows, without noise."""
        return self.converter.rows()

    def _generate(self, draw: Draw) -> Tensor:
        return self.generator(self.mapper(draw.z, draw.y), self.converter(draw.y, draw.noise))

    def _outputs(self, draw: Draw) -> list[Tensor]:
        """What phi and xi are reached through."""
        if not self.converter.by_score:
            return [draw.images]
        return [draw.images, self.converter.log_probability(draw.y, draw.noise)]

    def _output_gradients(
        self, step: Step, x: Tensor, leaf: Tensor
    ) -> tuple[dict[str, list[Tensor]], dict[str, Tensor]]:
        """The gradients at the outputs of each of Eq. (6)'s two terms, and their values."""
        settings, at_outputs, record = self.settings, {}, {}
        if settings.validation_weight > 0:
            found, record["meta_validation_loss"] = self._validation_term(step, leaf)
            at_outputs["validation"] = [settings.validation_weight * each for each in found]
        if settings.gap_weight > 0:
            found, record["gap"] = self._gap_term(step.model, x, leaf)
            at_outputs["gap"] = [settings.gap_weight * each for each in found]
        return at_outputs, record

    def _validation_term(self, step: Step, leaf: Tensor) -> tuple[list[Tensor], Tensor]:
        """The gradients at the outputs of L_val(theta'), Eq. (7), and its value."""
        with self.streams.use("validation_order"):
            rows = self.validation_order.next(
                min(self.settings.validation_batch_size, self.validation_order.size)
            )
        x_val, y_val = self.validation.centre(rows)

        def objective(images: Tensor, weights: Tensor | None = None) -> Tensor:
            with self.streams.use("meta_views"):
                weak, strong = step.weak(images), step.strong(images)
            return step.objective.on_views(step.model, weak, strong, update=False, weights=weights)

        weights = [leaf.new_ones(len(leaf)).requires_grad_()] if self.converter.by_score else []
        (at_images, *shares), loss = validation_gradient(
            step.model,
            objective,
            [leaf, *weights],
            step.labeled_gradient,
            learning_rate=step.learning_rate,
            lambda_=step.lambda_,
            x_val=x_val,
            y_val=y_val,
        )
        return [at_images, *map(credit_of_shares, shares)], loss

    def _gap_term(self, model: Classifier, x: Tensor, leaf: Tensor) -> tuple[list[Tensor], Tensor]:
        """The gradients at the outputs of L_gap, Eq. (8), at theta alone, and its value."""
        with SecondOrder():  # for speed alone: its convolutions differentiate faster at images
            real, synthetic = self._paired_features(model, x, leaf)
            gap = self._gap(real, synthetic)
        at_outputs = [*torch.autograd.grad(gap, leaf)]
        if self.converter.by_score:
            at_outputs.append(credit_of_pairs(self._gap, real, synthetic))
        return at_outputs, gap.detach()

    def _gap(self, real: Tensor, synthetic: Tensor) -> Tensor:
        return feature_gap(self.settings, real, synthetic)

    def _paired_features(
        self, model: Classifier, x: Tensor, images: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Labeled and synthetic features [U, D]."""
        x = x.repeat(self.ratio, 1, 1, 1)
        if self.settings.gap_statistics == "joint":
            # Two separate forwards would each normalize away the difference that is measured.
            with model.statistics_frozen():
                real, synthetic = model.features(torch.cat([x, images])).chunk(2)
        else:
            with model.evaluating():
                real, synthetic = model.features(x), model.features(images)
        return real, synthetic

    def _gradients(
        self, outputs: list[Tensor], at_outputs: dict[str, list[Tensor]]
    ) -> dict[str, tuple[list[Tensor], tuple[Tensor, ...]]]:
        """The parameters and the gradient at them of each term at phi and at xi."""
        parts = {"phi": self.mapper, "xi": self.converter}
        found = {}
        for part, network in parts.items():
            parameters = list(network.parameters())
            for term, at_output in at_outputs.items():
                gradient = torch.autograd.grad(outputs, parameters, at_output, retain_graph=True)
                found[f"{term}_gradient_{part}"] = parameters, gradient
        return found

    @torch.no_grad()
    def statistics(self) -> dict[str, float]:
        """Spread of the mapped latents (1 at the start) and the converter's concentration.

        If the foundation classifier knows the generator's classes, its mean softmax over D ranks
        them. `converter_related` is the converter's mean mass on the first tenth of them,
        `converter_related_uniform` that of a uniform choice.
        """
        y = torch.arange(self.converter.classes, device=self.converter.logits.device)
        y = y.repeat_interleave(64)
        with self.streams.use("statistics"):
            z = torch.randn(len(y), self.generator.z_dim, device=y.device)
        z_hat = self.mapper(z, y).view(-1, 64, self.generator.z_dim)
        return {
            "z_hat_std": z_hat.std().item(),
            "z_hat_std_within_class": z_hat.std(dim=1).mean().item(),
            **self.converter.statistics(),
            **self._related(),
        }

    def _related(self) -> dict[str, float]:
        classifier, count = self.foundation_classifier, self.generator.classes
        if classifier is None or len(classifier.head.bias) != count:
            return {}
        seen = mean_probability(classifier, self.labeled, self.settings.validation_batch_size)
        first = seen.topk(max(1, round(RELATED_PART * count))).indices
        mass = self.converter.rows().mean(dim=0)[first].sum().item()
        return {"converter_related": mass, "converter_related_uniform": len(first) / count}

    def state_dict(self) -> dict:
        """Mapper, converter, Adam's moments, the position in D_val and carried samples."""
        return {
            "mapper": self.mapper.state_dict(),
            "converter": self.converter.state_dict(),
            "adam": self.optimizer.state_dict(),
            "validation_order": self.validation_order.state_dict(),
            "carried": self._carried and self._carried.state_dict(),
        }

    def load_state_dict(self, state: dict) -> None:
        """Continue from `state`, which `state_dict` returned."""
        self.mapper.load_state_dict(state["mapper"])
        self.converter.load_state_dict(state["converter"])
        self.optimizer.load_state_dict(state["adam"])
        self.validation_order.load_state_dict(state["validation_order"])
        self._carried = state["carried"] and Draw(**state["carried"])


def _norm(gradient: Iterable[Tensor]) -> Tensor:
    return torch.cat([g.flatten() for g in gradient]).norm()


def _add_direction(parameters: Iterable[Tensor], gradient: Sequence[Tensor]) -> None:
    """Add the gradient, scaled to norm 1, to that of the parameters; a gradient of 0 stays 0."""
    norm = _norm(gradient)
    scale = norm.clamp(min=torch.finfo(norm.dtype).tiny)
    for parameter, g in zip(parameters, gradient, strict=True):
        direction = g / scale
        parameter.grad = direction if parameter.grad is None else parameter.grad + direction
