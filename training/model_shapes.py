"""The sizes of frozen models, from their configs alone: no weights are loaded and no network is asked."""

import json
from typing import Any

from diffusers import AutoencoderKL
from transformers import AutoConfig

from byline.catalog.errors import ConfigError
from byline.diffusion.configs import OFFLINE, TextEncoderConfig
from byline.diffusion.pixel_space import CHANNELS
from byline.diffusion.sources import ModelSource
from byline.diffusion.text_sources import find_text_encoder

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


def latent_shape(source: ModelSource | None, resolution_px: int) -> tuple[int, int]:
    """Return channels and side of the latents of square pictures; without an autoencoder, of the pictures.

    Raises `ConfigError` for a side that has none.
    """
    if source is None:
        return CHANNELS, resolution_px
    channels, shrinks = AUTOENCODERS.get(str(source)) or _autoencoder(source)
    if resolution_px % shrinks:
        raise ConfigError(
            f"resolution_px = {resolution_px} must be a multiple of {shrinks}, by which {source} shrinks pictures"
        )
    return channels, resolution_px // shrinks


def text_width(named: TextEncoderConfig) -> int:
    """Return the width of a token vector."""
    if str(named) in TEXT_WIDTHS:
        return TEXT_WIDTHS[str(named)]
    source = find_text_encoder(named).model
    config = _config(source, lambda **at: AutoConfig.from_pretrained(source.name, **at).to_dict())
    config = config.get("text_config", config)
    for name in WIDTHS:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise ConfigError(f"the config of {source} says neither {' nor '.join(WIDTHS)}; name a text encoder")


def _autoencoder(source: ModelSource) -> tuple[int, int]:
    config = _config(source, lambda **at: AutoencoderKL.load_config(source.name, **at))
    channels, blocks = config.get("latent_channels"), config.get("block_out_channels")
    if not isinstance(channels, int) or not isinstance(blocks, list) or not blocks:
        raise ConfigError(
            f"the config of {source} says no latent_channels and block_out_channels; name an AutoencoderKL"
        )
    return channels, 2 ** (len(blocks) - 1)


def _config(source: ModelSource, from_cache: Any) -> dict[str, Any]:
    """Return a model's `config.json`: of a folder, or of what the hub's client has downloaded before."""
    folder = source.folder
    try:
        if folder is not None:
            config: Any = json.loads((folder / "config.json").read_text())
        else:
            config = from_cache(local_files_only=True, **source.options())
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(
            f"the sizes of {source} are not known: no config.json in such a folder, nor in the hub's cache; "
            "download it first, or name a folder"
        ) from error
    if not isinstance(config, dict):
        raise ConfigError(f"the config.json of {source} holds no JSON object; name a folder that has a model")
    return config
