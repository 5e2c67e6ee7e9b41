"""MP-SSL's step as the paper prints it, without this project's savings: the reference to beat.

One graph from phi and xi over the images, theta' and the validation loss, differentiated by double
backward through `torch.func.functional_call`; the package's generator with its spectral norms in
place; the labeled loss once in line 7 and once in line 11. It takes a task of the project and draws
from the same streams, so that both make the same steps.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mpssl.training.gap import feature_gap
from mpssl.training.train import Loop, Task


class PlainStep:
    """Algorithm 1, lines 3 to 11, on the model, mapper and converter of `task`.

    Args:
        task: of the method `mpssl`.
        network: the generator as its package makes it, in evaluation mode; images in [-1, 1].
    """

    def __init__(self, task: Task, network: nn.Module) -> None:
        task.model.to(memory_format=torch.contiguous_format)
        self.task, self.loop = task, Loop(task)
        self.network = network.eval().requires_grad_(False)

    def __call__(self, number: int, rate: float) -> None:
        """One step with learning rate `rate`; `number` is not used."""
        task, loop, model, source = self.task, self.loop, self.task.model, self.task.source
        for group in loop.optimizer.param_groups:
            group["lr"] = rate
        streams, settings = task.streams, source.settings
        with streams.use("labeled_order"):
            x, y = task.labeled.whole(loop.order.next(loop.batch_size))
        with streams.use("labeled_views"):
            x = loop.labeled_view(x)

        with streams.use("latents"):  # lines 3 and 4
            z = torch.randn(len(y), self.network.config.z_dim, device=y.device)
            noise = source.converter.draw_noise(len(y))
        images = self._generate(z, y, noise)
        with streams.use("validation_order"):  # line 5
            rows = source.validation_order.next(
                min(settings.validation_batch_size, source.validation_order.size)
            )
        x_val, y_val = source.validation.centre(rows)
        with model.statistics_frozen():
            loss = F.cross_entropy(model(x), y)
            loss = loss + task.lambda_ * self._consistency(images, "meta_views", update=False)
            real, synthetic = model.features(torch.cat([x, images])).chunk(2)
            logits = self._look_ahead(loss, rate, x_val)  # line 7
        meta = settings.validation_weight * F.cross_entropy(logits, y_val)
        meta = meta + settings.gap_weight * feature_gap(settings, real, synthetic)
        source.optimizer.zero_grad()
        learned = [*source.mapper.parameters(), *source.converter.parameters()]
        meta.backward(inputs=learned)  # line 8
        source.optimizer.step()

        with torch.no_grad():  # line 10
            images = self._generate(z, y, noise)
        loop.optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        with model.statistics_frozen():
            loss = loss + task.lambda_ * self._consistency(images, "views", update=True)
        loss.backward()  # line 11
        loop.optimizer.step()

    def _look_ahead(self, loss: Tensor, rate: float, x_val: Tensor) -> Tensor:
        """Logits of `x_val` at theta' = theta - rate * gradient of `loss`, with their graph."""
        model = self.task.model
        parameters = dict(model.named_parameters())
        gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
        updated = {
            name: parameter - rate * gradient
            for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True)
        }
        return torch.func.functional_call(model, updated, (x_val,))

    def _generate(self, z: Tensor, y: Tensor, noise: Tensor) -> Tensor:
        source = self.task.source
        images = self.network(source.mapper(z, y), source.converter(y, noise), 1.0)
        images, size = (images + 1) / 2, self.task.training.image_size
        if images.shape[-1] == size:
            return images
        return F.interpolate(images, size=size, mode="bilinear", antialias=True)

    def _consistency(self, images: Tensor, stream: str, update: bool) -> Tensor:
        task = self.task
        with task.streams.use(stream):
            weak, strong = self.loop.weak(images), self.loop.strong(images)
        return task.objective.on_views(task.model, weak, strong, update=update)


class TorchOptStep(PlainStep):
    """The same with TorchOpt's differentiable SGD, for those who have it installed."""

    def _look_ahead(self, loss: Tensor, rate: float, x_val: Tensor) -> Tensor:
        import torchopt

        model = self.task.model
        before = torchopt.extract_state_dict(model, by="reference")
        torchopt.MetaSGD(model, lr=rate).step(loss)
        logits = model(x_val)
        torchopt.recover_state_dict(model, before)
        return logits
