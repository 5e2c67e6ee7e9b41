"""Stable Diffusion in one step, such as SD-Turbo: differentiable in its noise and in the text."""

import torch
from torch import Tensor, nn

from mpssl.common.errors import UserError
from mpssl.config.generators import DiffusersGenerator, Prompts
from mpssl.models import pipelines
from mpssl.models.text_to_image import load_lora


class OneStepTexts(nn.Module):
    """One step of a latent diffusion model, whose classes are the embeddings of their prompts.

    A class has the mean of its templates' embeddings, and a soft class mixes those of the classes.

    Args:
        pipeline: a `StableDiffusionPipeline` with a scheduler of Euler's.
        prompts: what the classes are called.
    """

    def __init__(self, pipeline, prompts: Prompts) -> None:
        super().__init__()
        self.unet, self.vae = pipeline.unet, pipeline.vae
        side = self.unet.config.sample_size
        self.shape = (self.unet.config.in_channels, side, side)
        self.z_dim: int = torch.Size(self.shape).numel()
        self.names = list(prompts.classes)
        """Names of the classes."""
        self.classes: int = len(self.names)
        scheduler = pipeline.scheduler
        scheduler.set_timesteps(1)
        self.timestep, self.sigma = float(scheduler.timesteps[0]), float(scheduler.sigmas[0])
        self.start = float(scheduler.init_noise_sigma)
        self.predicts = scheduler.config.prediction_type
        texts = torch.stack([_embedding(pipeline, prompts.of(name)) for name in self.names])
        self.register_buffer("texts", texts)

    def forward(self, z: Tensor, y: Tensor) -> Tensor:
        """Latents [U, z_dim] and labels [U, classes] to images in [-1, 1]."""
        noise = self.start * z.view(-1, *self.shape)
        texts = torch.einsum("uk,ktd->utd", y, self.texts)
        scaled = noise / (self.sigma**2 + 1) ** 0.5
        timestep = torch.tensor(self.timestep, device=z.device, dtype=z.dtype)
        found = self.unet(scaled, timestep, encoder_hidden_states=texts, return_dict=False)[0]
        if self.predicts == "epsilon":
            clean = noise - self.sigma * found
        else:  # the velocity
            clean = (noise - self.sigma * (self.sigma**2 + 1) ** 0.5 * found) / (self.sigma**2 + 1)
        images = self.vae.decode(clean / self.vae.config.scaling_factor, return_dict=False)[0]
        return images.clamp(-1, 1)


@torch.no_grad()
def _embedding(pipeline, prompts: list[str]) -> Tensor:
    """The mean embedding [T, D] of texts."""
    return pipeline.encode_prompt(prompts, "cpu", 1, False)[0].mean(dim=0)


def load_one_step_texts(settings: DiffusersGenerator) -> OneStepTexts:
    """Read a latent diffusion model of one step from a folder of diffusers.

    Raises:
        UserError: the folder has another pipeline or scheduler, or diffusers is not installed.
    """
    folder = settings.folder
    if reason := pipelines.problem(folder, with_prompts=True, in_training=True):
        raise UserError(reason)
    diffusers = pipelines.import_diffusers()
    pipeline = pipelines.opened(diffusers.StableDiffusionPipeline.from_pretrained, folder)
    scheduler = pipeline.scheduler
    euler = (diffusers.EulerDiscreteScheduler, diffusers.EulerAncestralDiscreteScheduler)
    known = ("epsilon", "v_prediction")
    if not isinstance(scheduler, euler) or scheduler.config.prediction_type not in known:
        raise UserError(
            f"the scheduler of {folder} is a {type(scheduler).__name__}; in training only one step "
            "of Euler's is known: make a pool of this model"
        )
    if settings.lora is not None:
        load_lora(pipeline, settings.lora)
    return OneStepTexts(pipeline, settings.prompts)
