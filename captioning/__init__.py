"""What a picture shows, in words: captioners, their configs, caption hygiene. Knows neither Beam nor the policy.

Importing this room loads neither torch nor transformers; a model does when it captions its first picture.
"""

from typing import Annotated, Any

from pydantic import Discriminator, Tag

from byline.captioning.added import OURS, AddedCaptioner, AddedConfig, CaptionWriter
from byline.captioning.captioners import Caption, Captioner, CaptionRequest
from byline.captioning.generating import Blip2Config, GeneratingCaptioner, TransformersConfig
from byline.captioning.served import ServedCaptioner, ServedConfig
from byline.captioning.source_text import SourceTextCaptioner, SourceTextConfig
from byline.catalog.configs.extensions import CAPTIONERS, extension, refuse_shadowed

__all__ = ["Caption", "CaptionConfig", "CaptionRequest", "CaptionWriter", "Captioner", "make_captioner"]


def _kind(table: Any) -> str | None:
    name = table.get("captioner") if isinstance(table, dict) else getattr(table, "captioner", None)
    return name if name in OURS or not isinstance(name, str) else "added"


CaptionConfig = Annotated[
    Annotated[SourceTextConfig, Tag("source-text")]
    | Annotated[Blip2Config, Tag("blip2")]
    | Annotated[TransformersConfig, Tag("transformers")]
    | Annotated[ServedConfig, Tag("openai")]
    | Annotated[AddedConfig, Tag("added")],
    Discriminator(
        _kind,
        custom_error_type="captioner",
        custom_error_message=f"its key 'captioner' names one of {', '.join(OURS)}, or one that is installed",
    ),
]
"""The `[caption]` table of a corpus; its key `captioner` says which it is: one of ours, or one that people added."""


def make_captioner(
    config: SourceTextConfig | Blip2Config | TransformersConfig | ServedConfig | AddedConfig,
) -> Captioner:
    """Make the captioner that `config` names. Cheap: no weights are loaded yet, and no server is asked.

    Raises a `BylineError` when an extension is not installed, or not with these settings.
    """
    if not isinstance(config, AddedConfig):
        refuse_shadowed(CAPTIONERS, config.captioner)
    match config:
        case SourceTextConfig():
            return SourceTextCaptioner(config)
        case Blip2Config() | TransformersConfig():
            return GeneratingCaptioner(config)
        case ServedConfig():
            return ServedCaptioner(config)
        case AddedConfig():
            return AddedCaptioner(extension(CAPTIONERS, config.captioner, OURS), config.settings)
