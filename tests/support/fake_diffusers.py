"""A package named diffusers whose pipelines make grey images, where the real one is not needed."""

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch


class Pipeline:
    """Takes all that a pipeline takes, and makes grey images of 8 x 8 pixels."""

    @classmethod
    def from_pretrained(cls, folder: str, **_) -> "Pipeline":
        return cls()

    def load_lora_weights(self, folder: str, **_) -> None:
        pass

    def to(self, device: torch.device) -> "Pipeline":
        return self

    def set_progress_bar_config(self, **_) -> None:
        pass

    def __call__(self, prompt: list[str], **_) -> SimpleNamespace:
        return SimpleNamespace(images=torch.full((len(prompt), 3, 8, 8), 0.5))


def install() -> None:
    """Put it and a package named transformers in the place of real ones, in this process."""
    quiet = SimpleNamespace(set_verbosity_error=lambda: None)
    for name in ("diffusers", "transformers"):
        module = ModuleType(name)
        module.logging = quiet
        module.AutoPipelineForText2Image = module.AutoPipelineForImage2Image = Pipeline
        sys.modules[name] = module


def write(folder: Path) -> Path:
    """A folder that looks like a pipeline's."""
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "FakePipeline"}))
    (folder / "unet/weights.safetensors").touch()
    return folder
