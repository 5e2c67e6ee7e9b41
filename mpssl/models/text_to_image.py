"""Text-to-image models of diffusers, which make the images of a pool class by class."""

from pathlib import Path

import torch
from torch import Tensor

from mpssl.common.errors import UserError, one_line
from mpssl.config.generators import DiffusersGenerator
from mpssl.models import pipelines


class TextToImage:
    """A pipeline, its prompts, and the images that it may start from.

    Args:
        settings: with `prompts`.
        image_size: side of the returned images, pixels.
        device: where it computes; on a GPU in float16.
        strength: how far the images given to `make` are changed, above 0 to 1; None to start from
            noise.

    Raises:
        UserError: the folder cannot be loaded, or diffusers is not installed.
    """

    def __init__(
        self,
        settings: DiffusersGenerator,
        image_size: int,
        device: torch.device,
        strength: float | None = None,
    ) -> None:
        self.settings, self.image_size, self.strength = settings, image_size, strength
        if reason := pipelines.problem(settings.folder, with_prompts=True):
            raise UserError(reason)
        diffusers = pipelines.import_diffusers()
        kind = (
            diffusers.AutoPipelineForText2Image
            if strength is None
            else diffusers.AutoPipelineForImage2Image
        )
        number = torch.float16 if device.type == "cuda" else torch.float32
        self.pipeline = pipelines.opened(kind.from_pretrained, settings.folder, torch_dtype=number)
        if settings.lora is not None:
            load_lora(self.pipeline, settings.lora)
        self.pipeline.to(device)
        self.pipeline.set_progress_bar_config(disable=True)
        self.names = list(settings.prompts.classes)
        """Names of the classes."""

    @torch.no_grad()
    def make(self, name: str, numbers: list[int], seed: int, start: Tensor | None = None) -> Tensor:
        """Images of a class; an image depends on its number and the seed alone.

        Args:
            name: of the class.
            numbers: of the images in the class, from 0.
            seed: 0 or more.
            start: images [N, 3, S, S] in [0, 1] to vary, one for each number.

        Returns:
            [N, 3, image_size, image_size] in [0, 1] on the CPU.
        """
        settings, prompts = self.settings, self.settings.prompts.of(name)
        base = 1_000_003 * seed + 1_009 * self.names.index(name)
        options = {
            "prompt": [prompts[number % len(prompts)] for number in numbers],
            "num_inference_steps": settings.steps,
            "guidance_scale": settings.guidance,
            "generator": [torch.Generator().manual_seed(base * 100_003 + n) for n in numbers],
            "output_type": "pt",
        }
        if settings.prompts.negative and settings.guidance > 1:
            options["negative_prompt"] = [settings.prompts.negative] * len(numbers)
        if start is not None:
            # A few steps are left to take of strength times as many.
            options |= {"image": start, "strength": self.strength}
            options["num_inference_steps"] = max(settings.steps, round(1 / self.strength + 0.499))
        images = self.pipeline(**options).images.float().cpu().clamp(0, 1)
        if images.shape[-1] == self.image_size == images.shape[-2]:
            return images
        size = (self.image_size, self.image_size)
        resized = torch.nn.functional.interpolate(
            images, size=size, mode="bilinear", antialias=True, align_corners=False
        )
        return resized.clamp(0, 1)


def load_lora(pipeline, path: Path) -> None:
    """Give a pipeline LoRA weights, a file or a folder with one.

    Raises:
        UserError: they cannot be loaded.
    """
    if not path.exists():
        raise UserError(f"the LoRA weights {path} do not exist")
    folder, file = (path, None) if path.is_dir() else (path.parent, path.name)
    try:
        pipeline.load_lora_weights(
            str(folder), weight_name=file, use_safetensors=True, local_files_only=True
        )
    except Exception as error:  # of diffusers, of peft, of safetensors
        reason = one_line(f"{type(error).__name__}: {error}")[:200]
        raise UserError(f"the LoRA weights {path} cannot be loaded: {reason}") from None
