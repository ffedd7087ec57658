"""Captions by a model that this machine runs: BLIP-2 (Li et al. 2023), or any that transformers loads.

Loads safetensors only, runs no remote code.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from byline.captioning.batching import FIRST, BatchSize, by_shape, in_batches, joined
from byline.captioning.captioners import Caption, CaptionRequest, Written
from byline.captioning.checkpoints import BLIP2, load_network, pinned_revision
from byline.captioning.devices import held_device, num_decoders
from byline.captioning.hygiene import clean_caption
from byline.captioning.preparing import Inputs, Preparer, preparing
from byline.captioning.scoring import scored
from byline.catalog.configs.places import ModelPlace
from byline.catalog.corpora.facts import instrument_name
from byline.catalog.digests import canonical_json
from byline.catalog.errors import ConfigError

_VERSION = "2"


class SamplingConfig(BaseModel, frozen=True, extra="forbid"):
    """Nucleus sampling. Each image draws from its own seed, so it is captioned alone: slower than beams."""

    temperature: float = Field(default=1.0, gt=0)
    top_p: float = Field(default=0.9, gt=0, le=1)
    seed: int = Field(default=0, ge=0)


class CaptionMachineConfig(BaseModel, frozen=True, extra="forbid"):
    """What decides how fast captions are written and cannot change one. Found out where it is left out."""

    device: str = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """`auto` and `cuda` take each GPU that no other worker has; without a GPU `auto` is the CPU."""
    batch_size: int | None = Field(default=None, ge=1)
    """Pictures at a time; if left out, 8 and on a GPU twice as many as long as its memory has room."""
    decoders: int | None = Field(default=None, ge=0)
    """Processes that prepare pictures; if left out, all cores but one for a GPU. With 0 the worker itself does."""


class GeneratingConfig(BaseModel, frozen=True, extra="forbid"):
    """A checkpoint and how to decode it. Deterministic beams unless there is a `sampling` table."""

    captioner: str
    model: ModelPlace = Field(min_length=1)
    """A local folder in the transformers layout, or a hub id such as `Salesforce/blip2-opt-2.7b`."""
    revision: str = Field(default="", pattern=r"^(?:[0-9a-f]{40})?$")
    """The hub's commit, 40 hex digits: a branch name would move. A local folder needs none; its weights are digested.
    """
    prompt: str = ""
    """What the model is asked, or for a model without a chat template, text that the caption continues; it is not part
    of the caption."""
    num_beams: int = Field(default=5, ge=1, le=64)
    max_new_tokens: int = Field(default=30, ge=1, le=512)
    captions_each: int = Field(default=1, ge=1, le=16, exclude_if=lambda number: number == 1)
    """Captions of a picture, from one search: the best of so many beams, or so many samples. One is not named, as by
    captioners before there were several."""
    sampling: SamplingConfig | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """It can change a caption, so no device chooses it: `bfloat16` is twice as fast on a GPU that has it."""
    max_characters: int = Field(default=300, ge=8)
    machine: CaptionMachineConfig = CaptionMachineConfig()

    @model_validator(mode="after")
    def _beams_or_sampling(self) -> Self:
        if self.sampling is not None and self.num_beams != 1:
            raise ValueError("[sampling] needs num_beams = 1")
        if self.sampling is None and self.captions_each > self.num_beams:
            raise ValueError(
                f"captions_each = {self.captions_each} needs as many num_beams, not {self.num_beams}, or a [sampling]"
            )
        return self


class Blip2Config(GeneratingConfig, frozen=True):
    """A BLIP-2 checkpoint: it continues a text such as `a photo of`."""

    captioner: Literal["blip2"]


class TransformersConfig(GeneratingConfig, frozen=True):
    """Any image-text-to-text model of transformers, asked by its own chat template where it has one."""

    captioner: Literal["transformers"]
    prompt: str = "Describe the picture in one sentence."
    num_beams: int = Field(default=1, ge=1, le=64)
    max_new_tokens: int = Field(default=60, ge=1, le=512)


class GeneratingCaptioner:
    """Writes a model's caption of the pixels; title and tags are not read.

    In float32 a caption does not depend on its batch beyond float rounding; in half precision a near tie between two
    words can fall either way on another device or batch size.
    """

    needs_pixels = True

    def __init__(self, config: Blip2Config | TransformersConfig) -> None:
        """Check that the checkpoint can be had. Raises `CheckpointError`; loads nothing yet."""
        self.config = config
        self.revision = pinned_revision(config.model, config.revision)

    @property
    def instrument(self) -> str:
        settings = self.config.model_dump(mode="json", exclude={"model", "revision", "machine"})
        return instrument_name(self.config.captioner, _VERSION, {**settings, "weights": self.revision})

    def caption(self, batch: Sequence[CaptionRequest]) -> list[str]:
        return [written[0].text for written in self.captions(batch)]

    def captions(self, requests: Iterable[CaptionRequest]) -> Iterator[tuple[Written, ...]]:
        """Yield captions of each request, the best first, in the order of requests, reading ahead; one empty text for a
        picture the model cannot take.

        Holds a GPU until the last caption, then gives it back, so that another worker can have it.
        """
        asked = iter(requests)
        if (first := next(asked, None)) is None:
            return
        sha256s: list[str] = []
        size = self._batch_size
        with held_device(self.config.machine.device) as device:
            network = self._network_on(device)
            decoders = num_decoders(self.config.machine.decoders, device)
            ahead = 4 * max(size.size, FIRST)
            with preparing(
                self._preparer, _noting(chain([first], asked), sha256s), processes=decoders, ahead=ahead
            ) as prepared:
                yield from self._in_order(by_shape(prepared, size), network, sha256s)
            if device != "cpu":
                self._give_back()

    def attributed(self, text: str) -> Caption:
        config = self.config
        local = Path(config.model).is_dir()
        return Caption(
            text=text,
            model=Path(config.model).resolve().name if local else config.model,
            revision=self.revision,
            prompt=config.prompt,
            decoding=canonical_json(_decoding(config)).decode(),
            seed=config.sampling.seed if config.sampling else 0,
        )

    @cached_property
    def _preparer(self) -> Preparer:
        return Preparer(self.config.model, self.config.revision, self.config.prompt)

    @cached_property
    def _batch_size(self) -> BatchSize:
        given = self.config.machine.batch_size
        return BatchSize(1, False) if self.config.sampling else BatchSize(given or FIRST, may_grow=given is None)

    def _network_on(self, device: str) -> Any:
        """Return the network, loaded once; on a GPU once for each time that it is held."""
        if (loaded := self.__dict__.get("_loaded")) is None:
            config = self.config
            architecture = BLIP2 if config.captioner == "blip2" else ""
            loaded = load_network(
                config.model, config.revision, dtype=config.dtype, device=device, architecture=architecture
            )
            self._refuse_long_prompt(loaded)
            self.__dict__["_loaded"] = loaded
        return loaded

    def _give_back(self) -> None:
        import torch

        self.__dict__.pop("_loaded", None)
        torch.cuda.empty_cache()

    def _refuse_long_prompt(self, network: Any) -> None:
        """Raise `ConfigError` for a prompt that leaves no place for a caption."""
        places = getattr(_text_config(network), "max_position_embeddings", None)
        length = len(self._preparer.processor.tokenizer(self.config.prompt)["input_ids"])
        if places and length + self.config.max_new_tokens > places:
            raise ConfigError(
                f"[caption] prompt has {length} tokens and max_new_tokens is {self.config.max_new_tokens}, but "
                f"{self.config.model} has places for {places}; shorten one"
            )

    def _in_order(
        self, groups: Iterator[list[tuple[int, Inputs | None]]], network: Any, sha256s: list[str]
    ) -> Iterator[tuple[Written, ...]]:
        """Yield captions in the order of requests, as soon as all before them are there."""
        done: dict[int, tuple[Written, ...]] = {}
        num_given = 0
        for group in groups:
            seen = [(sha256s[position], inputs) for position, inputs in group if inputs is not None]
            written = in_batches(seen, self._batch_size, partial(self._generate, network))
            # A group of what could not be prepared is one position, and has no text.
            done |= dict(zip([position for position, _ in group], written or [(Written(text=""),)], strict=True))
            while num_given in done:
                yield done.pop(num_given)
                num_given += 1

    def _generate(self, network: Any, batch: Sequence[tuple[str, Inputs]]) -> list[tuple[Written, ...]]:
        import torch

        sampling = self.config.sampling
        inputs = {
            name: self._on_device(value, network) for name, value in joined([inputs for _, inputs in batch]).items()
        }
        with torch.inference_mode(), torch.random.fork_rng(enabled=sampling is not None):
            if sampling is not None:
                torch.manual_seed(_seed(sampling.seed, batch[0][0]))
            out = network.generate(**inputs, **_decoding(self.config), return_dict_in_generate=True, output_logits=True)
            # A decoder-only language model first repeats the picture's tokens and the prompt, another one its start.
            given = 1 if _text_config(network).is_encoder_decoder else _num_given(inputs, network)
            written = scored(out, out.sequences[:, given:], _ends(network))
        self._learn(network.device, len(batch))
        texts = self._preparer.processor.tokenizer.batch_decode(
            [sequence.tokens for sequence in written], skip_special_tokens=True
        )
        captions = [
            Written(
                text=clean_caption(text, self.config.max_characters),
                num_tokens=len(sequence.tokens),
                mean_log_prob=sequence.mean_log_prob,
            )
            for text, sequence in zip(texts, written, strict=True)
        ]
        each = self.config.captions_each
        return [tuple(captions[start : start + each]) for start in range(0, len(captions), each)]

    def _on_device(self, value: Any, network: Any) -> Any:
        import torch

        tensor = torch.from_numpy(value)
        return tensor.to(network.device, network.dtype if tensor.is_floating_point() else None)

    def _learn(self, device: Any, num: int) -> None:
        """Note what a batch needed of the device's memory."""
        import torch

        if device.type == "cuda":
            needed = torch.cuda.max_memory_allocated(device) - torch.cuda.memory_allocated(device)
            free = torch.cuda.mem_get_info(device)[0] + needed
            self._batch_size.saw(num, needed_bytes=needed, free_bytes=free)
            torch.cuda.reset_peak_memory_stats(device)


def captions_each(config: object) -> int:
    """Return how many captions of a picture a captioner of this config writes."""
    return config.captions_each if isinstance(config, GeneratingConfig) else 1


def _text_config(network: Any) -> Any:
    return network.config.get_text_config()


def _num_given(inputs: dict[str, Any], network: Any) -> int:
    """Return how many tokens of what the model gives are those that it was given."""
    if "input_ids" in inputs:
        return int(inputs["input_ids"].shape[1])
    return int(network.config.num_query_tokens) + 1


def _ends(network: Any) -> frozenset[int]:
    """Return the tokens that end a text."""
    end_tokens = [_text_config(network).eos_token_id]
    for part in (network, getattr(network, "language_model", None)):
        end_tokens.append(getattr(getattr(part, "generation_config", None), "eos_token_id", None))
    each = [tokens if isinstance(tokens, list) else [tokens] for tokens in end_tokens if tokens is not None]
    return frozenset(token for tokens in each for token in tokens)


def _noting(requests: Iterable[CaptionRequest], sha256s: list[str]) -> Iterator[CaptionRequest]:
    """Pass requests on, and note the digests of their pictures."""
    for request in requests:
        sha256s.append(request.sha256)
        yield request


def _seed(seed: int, sha256: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}:{sha256}".encode()).digest()[:8], "big") >> 1


def _decoding(config: GeneratingConfig) -> dict[str, Any]:
    """Return the arguments of `generate`."""
    lengths = {"max_new_tokens": config.max_new_tokens, "num_beams": config.num_beams}
    if config.captions_each > 1:
        lengths["num_return_sequences"] = config.captions_each
    if config.sampling is None:
        return {**lengths, "do_sample": False}
    nucleus = {"temperature": config.sampling.temperature, "top_p": config.sampling.top_p, "top_k": 0}
    return {**lengths, "do_sample": True, **nucleus}
