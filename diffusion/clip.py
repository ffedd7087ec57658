"""A CLIP of transformers with new weights: two small transformers, of texts and of pictures, that meet in one space."""

from transformers import CLIPConfig, CLIPModel

from byline.diffusion.configs import TextTowerConfig, TowerConfig, VisionTowerConfig

WIDENS = 4
"""The width inside of a block, in widths of the transformer."""
PAD, END, START = range(3)
"""The tokens that are marks. transformers takes an end of 2 for that of an old CLIP, and looks elsewhere for it."""


def build_clip(
    text: TextTowerConfig, vision: VisionTowerConfig, *, num_tokens: int, side_px: int, projection_dim: int
) -> CLIPModel:
    """Return a new CLIP, from torch's random numbers, that reads so many kinds of tokens and sees such pictures."""
    reads = {"vocab_size": num_tokens, "max_position_embeddings": text.max_tokens}
    marks = {"pad_token_id": PAD, "eos_token_id": END, "bos_token_id": START}
    sees = {"image_size": side_px, "patch_size": vision.patch_size}
    meet = {"projection_dim": projection_dim}
    return CLIPModel(
        CLIPConfig(
            text_config={**_sizes(text), **reads, **marks, **meet},
            vision_config={**_sizes(vision), **sees, **meet},
            **meet,
        )
    )


def _sizes(tower: TowerConfig) -> dict[str, object]:
    return {
        "hidden_size": tower.hidden_size,
        "intermediate_size": WIDENS * tower.hidden_size,
        "num_hidden_layers": tower.num_layers,
        "num_attention_heads": tower.num_attention_heads,
        "hidden_act": "gelu",
    }
