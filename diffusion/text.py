"""The text encoder: captions to one vector per token, frozen."""

# Shapes: B batch, L tokens, D width of a token.

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    CLIPTextModel,
    MT5EncoderModel,
    T5EncoderModel,
    UMT5EncoderModel,
)

from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.configs import TextEncoderConfig
from byline.diffusion.sources import ModelSource
from byline.diffusion.text_sources import find_text_encoder
from byline.diffusion.weights import load_pretrained, refuse_pickles, weights_digest

TEXT_PARTS = {
    "clip": CLIPTextModel,
    "clip_text_model": CLIPTextModel,
    "t5": T5EncoderModel,
    "mt5": MT5EncoderModel,
    "umt5": UMT5EncoderModel,
}
"""Kind of model that holds more than a text encoder -> the part of it that is one. Others are taken whole."""


class TextEncoder:
    """Turns captions into token vectors. A caption's vectors do not depend on the other captions given.

    What it reads and gives is what diffusers' pipelines make of the same model and tokenizer.
    """

    def __init__(self, config: TextEncoderConfig) -> None:
        """Load tokenizer and weights. Raises `ConfigError` or `CheckpointError` when they are not there."""
        source = find_text_encoder(config)
        self.config, self.source, self.provenance = config, source.model, source.provenance
        self.tokenizer = _load_tokenizer(source.tokenizer, config)
        self._tokenizer_as_read = copy.deepcopy(self.tokenizer)
        self.model = _load_model(source.model, config.max_tokens).eval().requires_grad_(False)
        self.model.config.use_attention_mask = True  # padding is not attended to in here: pipelines read this
        self.model.config._name_or_path = ""  # so that a copy does not depend on where it was copied from
        self.digest = weights_digest(self.model)
        self.width: int = self.model.config.hidden_size

    def models(self) -> dict[str, Any]:
        """Return copies to save beside what was trained with it, by the name of their folder in a pipeline."""
        return {"text_encoder": self.model, "tokenizer": self._tokenizer_as_read}  # using one changes what it saves

    def to(self, device: torch.device | str, dtype: torch.dtype = torch.float32) -> "TextEncoder":
        """Compute on this device and in this type from now on."""
        self.model.to(device, dtype)
        return self

    def encode(self, texts: list[str], *, batch_size: int = 32) -> list[Tensor]:
        """Return, for each text, `(max_tokens, D)` float32 on the CPU, padding included.

        Every batch has the same shape (padded with empty texts), so that equal texts give equal bits.
        """
        encoded: list[Tensor] = []
        for start in range(0, len(texts), batch_size):
            batch = texts[start : start + batch_size]
            padded = batch + [""] * (batch_size - len(batch))
            encoded += self._encode_batch(padded)[: len(batch)]
        return encoded

    def _encode_batch(self, texts: list[str]) -> list[Tensor]:
        tokens = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.config.max_tokens,
            return_tensors="pt",
        ).to(self.model.device)
        with torch.no_grad():
            text_BLD = self.model(tokens["input_ids"], attention_mask=tokens["attention_mask"])[0]
        return [text_LD.clone() for text_LD in text_BLD.float().cpu()]


def _load_tokenizer(tokenizer_source: ModelSource, source: TextEncoderConfig) -> Any:
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            tokenizer_source.name, trust_remote_code=False, **tokenizer_source.options()
        )
    except (OSError, ValueError, ImportError, KeyError) as error:
        raise ConfigError(f"no text encoder at {source}: its tokenizer cannot be read: {_first_line(error)}") from error
    max_tokens = source.max_tokens
    if tokenizer.pad_token is None:
        raise ConfigError(f"the tokenizer of {source} has no padding token; name a T5, CLIP or BERT-like model")
    if max_tokens > tokenizer.model_max_length:
        raise ConfigError(
            f"text_encoder.max_tokens = {max_tokens}, and {source} reads at most {tokenizer.model_max_length}; lower it"
        )
    tokenizer.model_max_length, tokenizer.padding_side = max_tokens, "right"
    return tokenizer


def _load_model(source: ModelSource, max_tokens: int) -> Any:
    if source.folder is not None and source.folder.is_dir():
        refuse_pickles(source.folder)
    try:
        config = AutoConfig.from_pretrained(source.name, trust_remote_code=False, **source.options())
    except (OSError, ValueError) as error:
        raise ConfigError(f"no text encoder at {source}: {_first_line(error)}") from error
    kind = config.model_type
    if kind not in TEXT_PARTS and (config.is_encoder_decoder or not hasattr(config, "hidden_size")):
        raise ConfigError(f"{source} is a {kind}, which byline does not read; name a T5, CLIP or BERT-like model")
    model = load_pretrained(TEXT_PARTS.get(kind, AutoModel), source)
    positions = getattr(model.config, "max_position_embeddings", max_tokens)
    if max_tokens > positions:
        raise ConfigError(f"text_encoder.max_tokens = {max_tokens}, and {source} reads at most {positions}; lower it")
    return model


def require_width(reads: int, encoder: TextEncoder, where: str) -> None:
    """Raise `CheckpointError` when a network reads vectors of another width than the encoder gives."""
    if reads != encoder.width:
        raise CheckpointError(
            f"{where}: the network reads text of width {reads}, and {encoder.config} gives {encoder.width}; "
            "name the text encoder that it was trained with"
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
