"""The sizes of frozen models, from their configs alone: no weights are loaded and no network is asked."""

import json
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL
from transformers import AutoConfig

from byline.catalog.errors import ConfigError
from byline.diffusion.text import OFFLINE

AUTOENCODERS = {
    "madebyollin/sdxl-vae-fp16-fix": (4, 8),
    "stabilityai/sd-vae-ft-ema": (4, 8),
    "stabilityai/sd-vae-ft-mse": (4, 8),
    "stabilityai/sdxl-vae": (4, 8),
}
"""Well-known names on the hub -> channels of their latents, and by how much they shrink a side."""
TEXT_WIDTHS = {
    OFFLINE: 384,
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": 1024,
    "openai/clip-vit-base-patch32": 512,
    "openai/clip-vit-large-patch14": 768,
}
"""Well-known names -> width of a token."""
WIDTHS = ("hidden_size", "d_model")


def latent_shape(source: str, resolution_px: int) -> tuple[int, int]:
    """Return channels and side of the latents of square pictures. Raises `ConfigError` for a side that has none."""
    channels, shrinks = AUTOENCODERS.get(source) or _autoencoder(source)
    if resolution_px % shrinks:
        raise ConfigError(
            f"resolution_px = {resolution_px} must be a multiple of {shrinks}, by which {source} shrinks pictures"
        )
    return channels, resolution_px // shrinks


def text_width(source: str) -> int:
    """Return the width of a token vector."""
    if source in TEXT_WIDTHS:
        return TEXT_WIDTHS[source]
    config = _config(source, lambda: AutoConfig.from_pretrained(source, local_files_only=True).to_dict())
    config = config.get("text_config", config)
    for name in WIDTHS:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise ConfigError(f"the config of {source} says neither {' nor '.join(WIDTHS)}; name a text encoder")


def _autoencoder(source: str) -> tuple[int, int]:
    config = _config(source, lambda: AutoencoderKL.load_config(source, local_files_only=True))
    channels, blocks = config.get("latent_channels"), config.get("block_out_channels")
    if not isinstance(channels, int) or not isinstance(blocks, list) or not blocks:
        raise ConfigError(
            f"the config of {source} says no latent_channels and block_out_channels; name an AutoencoderKL"
        )
    return channels, 2 ** (len(blocks) - 1)


def _config(source: str, from_cache: Any) -> dict[str, Any]:
    """Return a model's `config.json`: of a folder, or of what the hub's client has downloaded before."""
    path = Path(source).expanduser() / "config.json"
    try:
        found: Any = json.loads(path.read_text()) if path.parent.is_dir() else from_cache()
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"the sizes of {source} are not known: no config.json in such a folder, nor in the hub's cache; "
            "download it first, or name a folder"
        ) from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object; name a folder that has a model")
    return found
