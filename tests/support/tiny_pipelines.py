"""Tiny random pipelines of diffusers' real classes, in the official folder format."""

import json
from pathlib import Path

import torch

from mpssl.models.pipelines import import_diffusers

CLASSES = 5  # of the consistency model
SIDE = 8  # of its images, pixels


def consistency(folder: Path, classes: int | None = CLASSES) -> Path:
    """A class-conditional consistency model of 8 x 8 pixels."""
    diffusers = import_diffusers()
    torch.manual_seed(0)
    unet = diffusers.UNet2DModel(
        sample_size=SIDE,
        in_channels=3,
        out_channels=3,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
        num_class_embeds=classes,
        attention_head_dim=4,
        resnet_time_scale_shift="scale_shift",
    )
    scheduler = diffusers.CMStochasticIterativeScheduler()
    diffusers.ConsistencyModelPipeline(unet, scheduler).save_pretrained(folder)
    return folder


def stable_diffusion(folder: Path) -> Path:
    """Stable Diffusion with a vocabulary of characters; images of 8 x 8 pixels."""
    diffusers = import_diffusers()
    import transformers

    torch.manual_seed(0)
    tokenizer = _tokenizer(folder.with_name(f"{folder.name}-words"), transformers)
    count = len(tokenizer)
    text = transformers.CLIPTextConfig(
        vocab_size=count,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=32,
        projection_dim=16,
        bos_token_id=count - 2,
        eos_token_id=count - 1,
        pad_token_id=count - 1,
    )
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=(8,),
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
    )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=transformers.CLIPTextModel(text),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(timestep_spacing="trailing", steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def lora_of(folder: Path, target: Path) -> Path:
    """LoRA weights for the U-Net of a folder of `stable_diffusion`, as trainers write them."""
    diffusers = import_diffusers()
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.unet.add_adapter(
        LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False)
    )
    layers = get_peft_model_state_dict(pipeline.unet)
    diffusers.StableDiffusionPipeline.save_lora_weights(target, unet_lora_layers=layers)
    return target


def _tokenizer(folder: Path, transformers):
    folder.mkdir(parents=True, exist_ok=True)
    characters = [chr(code) for code in range(33, 127)]
    words = [*characters, *(f"{c}</w>" for c in characters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: k for k, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    return transformers.CLIPTokenizer(*files, model_max_length=32)
