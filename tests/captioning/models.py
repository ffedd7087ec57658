"""Small captioners with random weights, by the classes of transformers, and pictures for them."""

from io import BytesIO
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from byline.captioning import CaptionRequest

WORDS = "a photo of red green blue heart flag japan cat dog bird tree house car boat".split()
COLORS = ("red", "lime", "blue", "white", "black", "yellow")
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}"
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}of {% endif %}"
)


def save_tiny_blip2(folder: Path, *, image_token_index: int | None = 3, side_px: int = 16, patch_px: int = 8) -> Path:
    """Save a randomly initialized BLIP-2 of a few kilobytes, made offline, whose captions differ between pictures."""
    from transformers import Blip2Config as Architecture
    from transformers import (
        Blip2ForConditionalGeneration,
        Blip2Processor,
        Blip2QFormerConfig,
        Blip2VisionConfig,
        BlipImageProcessor,
        OPTConfig,
        PreTrainedTokenizerFast,
    )

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "initializer_range": 0.8}
    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", "<image>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="</s> $A", special_tokens=[("</s>", 1)])
    Blip2Processor(
        BlipImageProcessor(size={"height": side_px, "width": side_px}),
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="</s>",
            eos_token="</s>",
            unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
    ).save_pretrained(folder)
    vision = Blip2VisionConfig(**sizes, intermediate_size=16, image_size=side_px, patch_size=patch_px)
    qformer = Blip2QFormerConfig(
        **sizes, vocab_size=len(vocabulary), intermediate_size=16, encoder_hidden_size=16, cross_attention_frequency=1
    )
    text = OPTConfig(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        init_std=0.8,
        vocab_size=len(vocabulary),
        ffn_dim=16,
        max_position_embeddings=64,
        word_embed_proj_dim=16,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    torch.manual_seed(0)
    Blip2ForConditionalGeneration(
        Architecture(
            vision_config=vision.to_dict(),
            qformer_config=qformer.to_dict(),
            text_config=text.to_dict(),
            num_query_tokens=4,
            image_token_index=image_token_index,
            initializer_range=0.8,
        )
    ).save_pretrained(folder)
    return folder


def save_tiny_llava(folder: Path) -> Path:
    """Save a randomly initialized LLaVA of a few kilobytes, a model of the chat kind, made offline."""
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    vocabulary = {word: index for index, word in enumerate(["<pad>", "</s>", "<unk>", "<image>", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    LlavaProcessor(
        CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16}),
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="</s>",
            eos_token="</s>",
            unk_token="<unk>",
            additional_special_tokens=["<image>"],
        ),
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**sizes, image_size=16, patch_size=8).to_dict(),
            text_config=LlamaConfig(
                **sizes,
                vocab_size=len(vocabulary),
                max_position_embeddings=128,
                initializer_range=0.8,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=1,
            ).to_dict(),
            image_token_index=3,
        )
    ).save_pretrained(folder)
    return folder


def encoded(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def requests(colors: tuple[str, ...] = COLORS) -> list[CaptionRequest]:
    return [CaptionRequest(sha256=color, image=encoded(Image.new("RGB", (20, 12), color))) for color in colors]
