"""Write a text encoder as a folder that transformers loads by itself: a CLIP, its tokenizer, and how pictures enter."""

import shutil
from pathlib import Path

import torch
from transformers import CLIPImageProcessorPil, CLIPModel

from byline.diffusion.weights import load_pretrained
from byline.training.text_encoder_task import TOKENIZER


def write_text_encoder(folder: Path, out: Path, *, averaged: bool, dtype: torch.dtype) -> None:
    """Write what the checkpoint at `folder` holds: all of it beside each other, as `AutoModel` wants it."""
    clip = load_pretrained(CLIPModel, str(folder / ("text_encoder_ema" if averaged else "text_encoder")))
    clip.config._name_or_path = ""  # so that a copy does not depend on where it was copied from
    clip.to(dtype).save_pretrained(out)
    for path in sorted((folder / TOKENIZER).iterdir()):
        shutil.copyfile(path, out / path.name)
    side_px = clip.config.vision_config.image_size
    CLIPImageProcessorPil(
        size={"shortest_edge": side_px},
        crop_size={"height": side_px, "width": side_px},
        image_mean=[0.5] * 3,  # values from -1 to 1, as `diffusion.pixels.to_network` gives them
        image_std=[0.5] * 3,
    ).save_pretrained(out)
