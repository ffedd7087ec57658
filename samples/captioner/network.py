"""A BLIP-2 of 3.4 million weights and a tokenizer of whole words: the classes of transformers, small."""

# Shapes: B pictures, P places (a patch each, and one more), D width.

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    Blip2QFormerConfig,
    Blip2VisionConfig,
    BlipImageProcessor,
    OPTConfig,
    PreTrainedTokenizerFast,
)

IMAGE_PX, PATCH_PX, WIDTH, HEADS, QUERIES, PLACES = 64, 8, 192, 4, 8, 48
MEAN, STD = 0.5, 0.5
_USUAL_SIDE = 14
"""Places a side of vision towers; ours, which has fewer, takes the waves of those at as many points."""
SPECIAL = ("<pad>", "</s>", "<unk>", "<image>")
PAD, END, UNKNOWN, IMAGE = range(len(SPECIAL))


def new_network(words: Sequence[str], *, seed: int) -> Any:
    """Return an untrained network that writes these words."""
    sizes = {"hidden_size": WIDTH, "num_attention_heads": HEADS, "initializer_range": 0.02}
    vision = Blip2VisionConfig(
        **sizes, num_hidden_layers=6, intermediate_size=3 * WIDTH, image_size=IMAGE_PX, patch_size=PATCH_PX
    )
    qformer = Blip2QFormerConfig(
        **sizes,
        num_hidden_layers=1,
        vocab_size=len(SPECIAL),
        intermediate_size=2 * WIDTH,
        encoder_hidden_size=WIDTH,
        cross_attention_frequency=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=PLACES,
    )
    text = OPTConfig(
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=HEADS,
        ffn_dim=2 * WIDTH,
        vocab_size=len(SPECIAL) + len(words),
        max_position_embeddings=PLACES,
        dropout=0.0,
        pad_token_id=PAD,
        bos_token_id=END,
        eos_token_id=END,
    )
    torch.manual_seed(seed)
    network = Blip2ForConditionalGeneration(
        Blip2Config(
            vision_config=vision.to_dict(),
            qformer_config=qformer.to_dict(),
            text_config=text.to_dict(),
            num_query_tokens=QUERIES,
            image_token_index=IMAGE,
            initializer_range=0.02,
        )
    )
    torch.nn.init.normal_(network.query_tokens, std=0.02)
    _start(network.vision_model)
    return network


def seen_by(vision: Any, pixels_B3HW: Tensor, shown_BP: Tensor) -> Tensor:
    """Return what the vision tower makes of some places of each picture, `(B, P, D)`.

    Attention is over what is shown, so half of the places cost half, and none can be relied upon.
    """
    embedded = vision.embeddings(pixels_B3HW)
    shown_BPD = embedded.gather(1, shown_BP[..., None].expand(-1, -1, embedded.shape[2]))
    seen: Tensor = vision.post_layernorm(vision.encoder(inputs_embeds=shown_BPD).last_hidden_state)
    return seen


@torch.no_grad()
def _start(vision: Any) -> None:
    """Set the weights from which a vision tower learns with few pictures.

    Places are sines and cosines. Attention begins as that of trained towers looks (Trockman and Kolter 2023): of each
    place to those like it, and taking away what they have in common.
    """
    embeddings, side = vision.embeddings, IMAGE_PX // PATCH_PX
    embeddings.position_embedding.zero_()
    embeddings.position_embedding[0, 1:] = torch.from_numpy(_waves(side)).float() * 0.5
    embeddings.patch_embedding.weight.normal_(std=(3 * PATCH_PX**2) ** -0.5)
    embeddings.class_embedding.normal_(std=0.02)
    for layer in vision.encoder.layers:
        attention, head = layer.self_attn, WIDTH // HEADS
        queries, keys, values = attention.qkv.weight.split(WIDTH)
        for start in range(0, WIDTH, head):
            left, right = _factors(0.7, 0.7)
            queries[start : start + head], keys[start : start + head] = left[:, :head].T, right[:head]
        left, right = _factors(0.4, -0.4)
        attention.projection.weight[:], values[:] = left, right


def _factors(noise: float, identity: float) -> tuple[Tensor, Tensor]:
    """Return two matrices whose product is so much noise and so much of the identity, equally large."""
    product = noise * torch.randn(WIDTH, WIDTH) / WIDTH**0.5 + identity * torch.eye(WIDTH)
    left, sizes, right = torch.linalg.svd(product)
    return left * sizes.sqrt(), sizes.sqrt()[:, None] * right


def _waves(side: int) -> npt.NDArray[np.float64]:
    """Return sines and cosines of a square's columns and rows, `(side * side, D)`."""
    frequencies = 10_000.0 ** -(np.arange(WIDTH // 4) / (WIDTH // 4))
    rows, columns = np.mgrid[:side, :side].reshape(2, -1) * (_USUAL_SIDE / side)
    angles = [np.outer(steps, frequencies) for steps in (columns, rows)]
    return np.concatenate([wave(angle) for angle in angles for wave in (np.sin, np.cos)], 1)


def new_processor(words: Sequence[str]) -> Any:
    """Return what makes inputs of pictures, and text of what the network writes."""
    tokenizer = Tokenizer(
        models.WordLevel({word: index for index, word in enumerate([*SPECIAL, *words])}, unk_token="<unk>")
    )
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", END)])
    return Blip2Processor(
        BlipImageProcessor(
            size={"height": IMAGE_PX, "width": IMAGE_PX}, image_mean=[MEAN] * 3, image_std=[STD] * 3, resample=3
        ),
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="</s>",
            eos_token="</s>",
            unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
        num_query_tokens=QUERIES,
    )


def save(network: Any, processor: Any, out: Path) -> None:
    """Write a folder that transformers loads, weights in half precision."""
    half = copy.deepcopy(network).half()
    half.generation_config.update(pad_token_id=PAD, bos_token_id=END, eos_token_id=END)
    half.save_pretrained(out)
    processor.save_pretrained(out)
