"""Fit a text encoder, beside an image encoder, to tell which caption of a batch is which picture's: a new CLIP."""

# Shapes: B pairs of this rank, N of all ranks, C channels, H and W height and width, L tokens, E width of a projection.

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from math import log
from typing import Any, Literal

import torch
import transformers
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import CLIPModel, PreTrainedTokenizerFast

from byline.catalog.corpora.manifest import Release, Shard
from byline.catalog.digests import digest_of
from byline.diffusion.autoencoder import autocast
from byline.diffusion.clip import build_clip
from byline.diffusion.configs import Precision
from byline.diffusion.contrastive import MOST_SCALE, contrastive_loss
from byline.diffusion.parts import FOLDER, FrozenPart, FrozenParts
from byline.diffusion.pixels import RULE, to_network
from byline.training.caption_tokens import captions_of, digest_of_tokens, make_tokens, tokenizer_of
from byline.training.feed import Batches, Share, Source, read_batches
from byline.training.feed_cache import FeedCache, cache_of
from byline.training.feed_files import NewArrays
from byline.training.gathered import gather_alike, gather_with_gradients, num_ranks
from byline.training.held_out import HeldOutSamples, read_held_out
from byline.training.pairs import NUM_UNIFORM, Pairs, make_pairs, tokenize
from byline.training.ranks import Ranks
from byline.training.samples import images_at, order_of, read_sizes, shards_of
from byline.training.text_encoder_config import TextEncoderRun

MEASURED_TOGETHER = 64
"""Held-out pairs that go through the network at once; all are compared with all."""
TOKENIZER = "tokenizer"


class ContrastiveLoss(nn.Module):
    """A CLIP, and how well it tells which caption is which picture's."""

    def __init__(self, text_encoder: CLIPModel, precision: Precision) -> None:
        super().__init__()
        # DeepSpeed spreads no scalars: here the scale is a row of one, and everywhere else it is what transformers has.
        text_encoder.logit_scale = nn.Parameter(text_encoder.logit_scale.detach().reshape(1))
        text_encoder.register_load_state_dict_pre_hook(_read_scale)
        self.text_encoder: Any = text_encoder
        self._precision = precision

    def forward(self, bytes_BCHW: Tensor, tokens_BL: Tensor) -> Tensor:
        """Return the loss of this rank's pairs among those of all ranks (Radford et al. 2021, figure 3).

        In evaluation mode a rank's pairs are compared with each other only.
        """
        if not self.training:
            parts = zip(*(torch.split(both, MEASURED_TOGETHER) for both in (bytes_BCHW, tokens_BL)), strict=True)
            return self._loss(torch.cat([self._embed(*part) for part in parts]), tokens_BL, is_alone=True)
        return self._loss(self._embed(bytes_BCHW, tokens_BL), tokens_BL, is_alone=num_ranks() == 1)

    def _embed(self, bytes_BCHW: Tensor, tokens_BL: Tensor) -> Tensor:
        """Return `(B, 2, E)`: unit vectors of pictures and of texts."""
        clip = self.text_encoder
        with autocast(bytes_BCHW.device, self._precision):
            seen_BD = clip.vision_model(pixel_values=to_network(bytes_BCHW)).pooler_output
            read_BD = clip.text_model(input_ids=tokens_BL).pooler_output
            both_B2E = torch.stack([clip.visual_projection(seen_BD), clip.text_projection(read_BD)], dim=1)
        return normalize(both_B2E.float(), dim=-1)

    def _loss(self, own_B2E: Tensor, tokens_BL: Tensor, *, is_alone: bool) -> Tensor:
        all_N2E = own_B2E if is_alone else gather_with_gradients(own_B2E)
        tokens_NL = tokens_BL if is_alone else gather_alike(tokens_BL)
        scale = self.text_encoder.logit_scale.clamp(max=log(MOST_SCALE)).exp()
        to_texts_BN = scale * own_B2E[:, 0] @ all_N2E[:, 1].T
        to_pictures_BN = scale * own_B2E[:, 1] @ all_N2E[:, 0].T
        return contrastive_loss(to_texts_BN, to_pictures_BN, (tokens_BL[:, None] == tokens_NL).all(-1))


def _read_scale(_: nn.Module, weights: dict[str, Tensor], prefix: str, *_more: Any) -> None:
    """Make a row of one of the scale, as it lies on the disk."""
    name = f"{prefix}logit_scale"
    if name in weights:
        weights[name] = weights[name].reshape(1)


class TextEncoderTask:
    """See `training.task.Task`."""

    kind: Literal["text_encoder"] = "text_encoder"

    def __init__(self, config: TextEncoderRun, release: Release, ranks: Ranks) -> None:
        """Make tokens of the captions, and a new network from the run's seed."""
        config.require_one_pass(ranks.size)
        transformers.utils.logging.disable_progress_bar()  # one for each save
        self._config, self._release = config, release
        self._tokens = make_tokens(captions_of(release), config.text.vocab_size)
        self._order = order_of(release.manifest, config.identity(), partial(read_sizes, release))
        torch.manual_seed(config.seed)
        self.network = new_network(config, len(self._tokenizer()))
        self.provenance = {TOKENIZER: digest_of_tokens(self._tokens)}
        self.held_out = self._held_out(release, ranks)
        self.drawing = None

    def batches(self, ranks: Ranks, images_seen: int, passes: int) -> Batches:
        """Return pictures as bytes and the tokens of their captions."""
        config = self._config
        assert passes == 1, "a pass of a part of the batch would have other captions to tell apart"
        source = Source(
            cache=self._cache(),
            gather=Pairs(flip_prob=config.flip_prob, device=ranks.device).gather,
            sample_bytes=3 * config.resolution_px**2 + 4 * config.text.max_tokens,
            num_uniform=NUM_UNIFORM,
            normal_shape=(0,),
        )
        return read_batches(
            Share(order=self._order, batch_size=config.batch_size, ranks=ranks), source, images_seen, passes
        )

    def images_of(self, positions: Iterable[int]) -> list[str]:
        """Return the SHA-256 of the pictures at these positions."""
        return images_at(self._release, self._order, positions)

    def finish(self, models: dict[str, Any]) -> None:
        """Do nothing: a CLIP says nothing about its weights."""

    def trained_models(self) -> dict[str, Any]:
        """Return both encoders: the one of pictures says what the texts look like, and judges pictures."""
        return {"text_encoder": self.network.text_encoder}

    def frozen_models(self) -> dict[str, Any]:
        """Return the tokenizer, and what it was made of."""
        made = FrozenPart(name="byte-level BPE of the captions", trained_on=self._release.manifest.digest)
        return {TOKENIZER: self._tokenizer(), FOLDER: FrozenParts({TOKENIZER: made})}

    def _tokenizer(self) -> PreTrainedTokenizerFast:
        return tokenizer_of(self._tokens, self._config.text.max_tokens)

    def _held_out(self, release: Release, ranks: Ranks) -> "HeldOutPairs | None":
        validation = self._config.watch.validation
        if validation is None:
            return None
        return HeldOutPairs(
            samples=read_held_out(release, validation.images, replace(ranks, rank=0, size=1)),
            tokenizer=self._tokenizer(),
            side_px=self._config.resolution_px,
            is_measured_here=ranks.is_first,
        )

    def _cache(self) -> FeedCache:
        side_px = self._config.resolution_px

        def make(shard: Shard, new: NewArrays) -> None:
            make_pairs(self._release, shard, self._tokenizer(), side_px, new)  # its own: threads cannot share one

        made_of = ["pairs", RULE, side_px, self.provenance[TOKENIZER], self._config.text.max_tokens]
        return cache_of(self._config, shards_of(self._release, "train"), made_of, make)


def new_network(config: TextEncoderRun, num_tokens: int) -> ContrastiveLoss:
    """Return the network of a run, with its loss, from torch's random numbers."""
    clip = build_clip(
        config.text,
        config.vision,
        num_tokens=num_tokens,
        side_px=config.resolution_px,
        projection_dim=config.projection_dim,
    )
    return ContrastiveLoss(clip, config.precision)


@dataclass(frozen=True, kw_only=True)
class HeldOutPairs:
    """See `HeldOut`: held-out pictures and the tokens of their captions, all in one batch, on the first rank.

    The loss says how well a caption is told from all others, so it depends on how many there are, and must not depend
    on how many ranks measure. There is one level.
    """

    samples: HeldOutSamples
    tokenizer: PreTrainedTokenizerFast
    side_px: int
    is_measured_here: bool
    levels: int = 1

    @property
    def num_images(self) -> int:
        """Return the number of pictures."""
        return self.samples.num_images

    @property
    def of(self) -> str:
        """Return the digest of pictures, captions, size and loss."""
        return digest_of([self.samples.digest, self.side_px, "contrastive"])

    def passes(self, level: int, size: int) -> Iterator[tuple[Tensor, ...]]:
        """Yield pictures as bytes and tokens, or nothing on any rank but the first. No picture is mirrored."""
        if self.is_measured_here:
            pixels_NCHW = torch.cat(list(self.samples.pixels(self.side_px, MEASURED_TOGETHER)))
            yield pixels_NCHW, torch.from_numpy(tokenize(self.tokenizer, self.samples.captions)).long()
