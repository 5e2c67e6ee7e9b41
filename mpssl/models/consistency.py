"""A class-conditional consistency model of diffusers: one step, differentiable in z and y."""

from pathlib import Path

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError
from mpssl.models import pipelines


class SoftEmbedding(nn.Module):
    """The embedding of a soft class: its probabilities times the embeddings of the classes."""

    def __init__(self, embedding: nn.Embedding) -> None:
        super().__init__()
        self.weight = embedding.weight

    def forward(self, y: Tensor) -> Tensor:
        """[U, classes] -> [U, E]."""
        return y.to(self.weight) @ self.weight


class Consistency(nn.Module):
    """x = f(sigma z, sigma; y) with sigma the largest noise, as the pipeline makes it in one step.

    Args:
        unet: a `UNet2DModel` with an embedding of classes.
        scheduler: its `CMStochasticIterativeScheduler`.
    """

    def __init__(self, unet: nn.Module, scheduler) -> None:
        super().__init__()
        self.unet = unet
        self.shape = (unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
        self.z_dim: int = torch.Size(self.shape).numel()
        self.classes: int = unet.class_embedding.num_embeddings
        unet.class_embedding = SoftEmbedding(unet.class_embedding)
        scheduler.set_timesteps(1)
        (self.timestep,) = scheduler.timesteps.tolist()
        sigma, least, data = (
            float(scheduler.sigmas[0]),
            scheduler.config.sigma_min,
            scheduler.config.sigma_data,
        )
        self.sigma, self.scale = sigma, (sigma**2 + data**2) ** -0.5
        self.skip = data**2 / ((sigma - least) ** 2 + data**2)
        self.out = (sigma - least) * data * (sigma**2 + data**2) ** -0.5
        self.clips = scheduler.config.clip_denoised

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents [U, z_dim] and labels [U, classes] to images in [-1, 1]."""
        noise = self.sigma * z.view(-1, *self.shape)
        timestep = torch.tensor(self.timestep, device=z.device, dtype=z.dtype)
        found = self.unet(self.scale * noise, timestep, class_labels=y, return_dict=False)[0]
        images = self.out * found + self.skip * noise
        return images.clamp(-1, 1) if self.clips else images


def load_consistency(folder: Path) -> Consistency:
    """Read a class-conditional consistency model from a folder of diffusers.

    Raises:
        UserError: the folder has another pipeline or no classes, or diffusers is not installed.
    """
    if reason := pipelines.problem(folder, with_prompts=False):
        raise UserError(reason)
    diffusers = pipelines.import_diffusers()
    pipeline = pipelines.opened(diffusers.ConsistencyModelPipeline.from_pretrained, folder)
    if not isinstance(pipeline.unet.class_embedding, nn.Embedding):
        raise UserError(f"the consistency model in {folder} has no classes; take another")
    return Consistency(pipeline.unet.eval(), pipeline.scheduler)
