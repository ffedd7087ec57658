"""A BLIP-2 of a million weights and a tokenizer of whole words: the classes of transformers, small."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
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

IMAGE_PX, PATCH_PX, WIDTH, QUERIES, PLACES = 32, 8, 64, 4, 48
MEAN, STD = 0.5, 0.5
SPECIAL = ("<pad>", "</s>", "<unk>", "<image>")
PAD, END, UNKNOWN, IMAGE = range(len(SPECIAL))


def new_network(words: Sequence[str], *, seed: int) -> Any:
    """Return an untrained network that writes these words."""
    sizes = {"hidden_size": WIDTH, "num_attention_heads": 4, "initializer_range": 0.02}
    vision = Blip2VisionConfig(
        **sizes, num_hidden_layers=2, intermediate_size=3 * WIDTH, image_size=IMAGE_PX, patch_size=PATCH_PX
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
        num_attention_heads=4,
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
    return network


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
    # Captions are chosen by how likely they are, however long: a name is written where the network is sure of it.
    half.generation_config.update(pad_token_id=PAD, bos_token_id=END, eos_token_id=END, num_beams=5, length_penalty=0.0)
    half.save_pretrained(out)
    processor.save_pretrained(out)
