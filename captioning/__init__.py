"""What a picture shows, in words: captioners, their configs, caption hygiene. Knows neither Beam nor the policy.

Importing this room loads neither torch nor transformers; BLIP-2 does when it captions its first batch.
"""

from typing import Annotated

from pydantic import Field

from byline.captioning.blip2 import Blip2Captioner, Blip2Config
from byline.captioning.captioners import Caption, Captioner, CaptionRequest
from byline.captioning.source_text import SourceTextCaptioner, SourceTextConfig

__all__ = ["Caption", "CaptionConfig", "CaptionRequest", "Captioner", "make_captioner"]

CaptionConfig = Annotated[SourceTextConfig | Blip2Config, Field(discriminator="captioner")]
"""The `[caption]` table of a corpus; its key `captioner` says which of the two it is."""


def make_captioner(config: SourceTextConfig | Blip2Config, *, device: str = "auto", batch_size: int = 8) -> Captioner:
    """Make the captioner that `config` names. Cheap: no weights are loaded yet.

    `device` ("auto", "cpu", "cuda", "cuda:1") and `batch_size` decide speed only, so they are not in the config.
    """
    match config:
        case SourceTextConfig():
            return SourceTextCaptioner(config)
        case Blip2Config():
            return Blip2Captioner(config, device=device, batch_size=batch_size)
