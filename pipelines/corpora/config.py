"""What a corpus is built from: the config of `byline build`."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from byline.captioning import CaptionConfig, Captioner, make_captioner
from byline.captioning.added import AddedConfig
from byline.captioning.checkpoints import check_transformers
from byline.captioning.generating import GeneratingConfig, captions_each
from byline.captioning.safety import NsfwClassifier, SafetyConfig
from byline.catalog.configs.loading import load_config
from byline.catalog.configs.places import InputPlace, ModelPlace, OutputPlace, PolicyPlace, shipped_policy
from byline.catalog.corpora.facts import FactTable
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.catalog.policies.custom_rules import refuse_unmeasured
from byline.catalog.policies.policy import Policy
from byline.dedup.embedding.embedder import Embedder, EmbeddingConfig
from byline.dedup.embedding.encoders import check_torch
from byline.dedup.embedding.neighbors import check_faiss
from byline.dedup.metrics import MetricInUse, use_metric
from byline.pictures.config import PixelConfig
from byline.pipelines.facts.evaluation_sets import EvaluationList, load_evaluation_list, refuse_uncropped
from byline.pipelines.facts.languages import LanguageConfig, languages_instrument, require_languages
from byline.pipelines.facts.measures import DECODED, embedding_facts, metric_facts, pdq_facts
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.facts.shipped_captions import CaptionsBy
from byline.pipelines.fetching.config import FetchConfig, by_prefix
from byline.pipelines.sources.config import PlainName, SourceConfig


class PublicationConfig(BaseModel, frozen=True, extra="forbid"):
    """What only the publisher of a release can say, for its papers. Nothing is made up for what is left out."""

    url: str | None = None
    """Page where the release is offered."""
    publisher: str | None = None
    date: str | None = Field(None, pattern=r"^\d{4}-\d{2}-\d{2}$")
    """Date of publication, as YYYY-MM-DD."""


class AlsoCaptions(BaseModel, frozen=True, extra="forbid"):
    """Captions that a release ships beside that of `[caption]`."""

    by: CaptionConfig
    weight: float = Field(default=1.0, gt=0, le=1000)
    """How often a trainer draws one of these for each that it draws of `[caption]`."""


class CorpusConfig(BaseModel, frozen=True, extra="forbid"):
    """One corpus and the release that is made of it. Paths count from the folder of the config."""

    name: PlainName
    root: OutputPlace
    """A folder or any fsspec URL (`s3://bucket/corpus`)."""
    policy: PolicyPlace
    """A policy file, or the bare name of one that comes with byline: `commercial`."""
    sources: tuple[SourceConfig, ...] = Field(min_length=1)
    pixels: PixelConfig = PixelConfig()
    fetch: FetchConfig = FetchConfig()
    caption: CaptionConfig
    captions: dict[PlainName, AlsoCaptions] = {}
    """Captioners whose captions are shipped beside that of `caption`, which is the one in `txt`, and judged."""
    safety: SafetyConfig | None = None
    """The classifier of unsafe pictures; if left out, nothing is classified."""
    language: LanguageConfig | None = None
    """What tells the language of captions; if left out, nothing does, and no policy can ask for one."""
    pdq: bool = False
    """Measure PDQ too, for lists of hashes that others share. No rule here asks for it."""
    embedding: EmbeddingConfig | None = None
    """The network that embeds pictures; if left out, no vectors reveal copies, and no policy can ask for them."""
    metrics: dict[str, dict[str, Any]] = {}
    """Metrics of extensions that are measured -> their settings. A policy may set bounds to them."""
    evaluation_sets: tuple[InputPlace, ...] = ()
    """Files of `byline hashes`: what models are measured with. Pictures too close to theirs are not trained on."""
    weights: dict[Literal["autoencoder", "text encoder"], ModelPlace] = {}
    """Frozen weights that models of this corpus are trained with: a folder, a hub id or a package. Only their licenses
    are read, for the papers."""
    publication: PublicationConfig = PublicationConfig()
    denylists: tuple[InputPlace, ...] = ()
    """Roots of other corpora: what was taken down there must not come in here either."""
    serve: Annotated[dict[str, InputPlace], AfterValidator(by_prefix)] = {}
    """URL prefix -> folder that is served over HTTP on loopback during the build, in place of that prefix."""

    @property
    def store(self) -> Store:
        """The corpus on disk."""
        return Store(self.root)

    # What follows is read from files once for each config that is loaded: a build loads its own, and sees them as they
    # are then.

    @cached_property
    def captioner(self) -> Captioner:
        """Says how captions are made here. Digests weights and loads none."""
        return make_captioner(self.caption)

    @cached_property
    def also_captioners(self) -> dict[str, Captioner]:
        """Say how the captions beside that one are made, by name."""
        return {name: make_captioner(also.by) for name, also in sorted(self.captions.items())}

    @cached_property
    def evaluation_lists(self) -> tuple[EvaluationList, ...]:
        """The evaluation sets, checked."""
        return tuple(load_evaluation_list(Path(path)) for path in self.evaluation_sets)

    @cached_property
    def metrics_in_use(self) -> tuple[MetricInUse, ...]:
        """The metrics of extensions, by name. Imports them. Raises a `BylineError` for what is not installed."""
        return tuple(use_metric(name, settings) for name, settings in sorted(self.metrics.items()))

    @cached_property
    def instruments(self) -> Instruments:
        """Whose facts a build of this config judges and releases. Digests weights and loads none."""
        return Instruments(
            captions=self.captioner.instrument,
            captions_see_pixels=self.captioner.needs_pixels,
            safety=NsfwClassifier(self.safety).instrument if self.safety else None,
            embedding=Embedder(self.embedding).instrument if self.embedding else None,
            language=languages_instrument(self.language) if self.language else None,
            evaluation=tuple(sorted(evaluation_list.digest for evaluation_list in self.evaluation_lists)),
            metrics=tuple((metric.name, metric.instrument(DECODED)) for metric in self.metrics_in_use),
            also=tuple(
                CaptionsBy(
                    instrument=captioner.instrument,
                    see_pixels=captioner.needs_pixels,
                    weight=self.captions[name].weight,
                )
                for name, captioner in self.also_captioners.items()
            ),
            several_captions=bool(self.captions)
            or any(captions_each(caption_config) > 1 for caption_config in self.caption_configs),
        )

    @property
    def caption_configs(self) -> list[CaptionConfig]:
        """All captioners of the corpus, that of `[caption]` first."""
        return [self.caption, *(also.by for _, also in sorted(self.captions.items()))]

    @property
    def added_facts(self) -> list[FactTable]:
        """What is measured here and no judgement of every policy asks for: a corpus may lack it of earlier pictures."""
        tables, instruments = [pdq_facts(self.store)] if self.pdq else [], self.instruments
        tables += [metric_facts(self.store, name, instrument) for name, instrument in instruments.metrics]
        embedding = instruments.embedding
        return [*tables, embedding_facts(self.store, embedding)] if embedding else tables

    def compared_by(self, policy: Policy) -> str | None:
        """Return the instrument whose vectors are compared with each other: none unless the policy asks for it.

        That is quadratic, and so not done in advance.
        """
        return self.instruments.embedding if policy.duplicates.min_cosine is not None else None


def load_corpus_config(path: str) -> tuple[CorpusConfig, Policy]:
    """Read a corpus config and the policy that it names. Raises `ConfigError`."""
    config = load_config(path, CorpusConfig)
    names = [source.name for source in config.sources]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: two sources have one name: {', '.join(sorted(names))}")
    policy = load_policy(config.policy, names)
    check_measured(config, policy, config.policy)
    if isinstance(config.caption, AddedConfig):
        _ = config.captioner
    _refuse_twice(config, path)
    refuse_uncropped(config.evaluation_lists, config.pixels)
    for part, model in config.weights.items():
        if Path(model).is_absolute() and not Path(model).is_dir():
            raise ConfigError(f"{path}: weights.{part}: no folder at {model}")
    return config, policy


def _refuse_twice(config: CorpusConfig, path: str) -> None:
    """Raise `ConfigError` for captioners that are one."""
    named = {config.captioner.instrument: "[caption]"} if config.captions else {}
    for name, captioner in config.also_captioners.items():
        if (first := named.setdefault(captioner.instrument, f"[captions.{name}]")) != f"[captions.{name}]":
            raise ConfigError(f"{path}: [captions.{name}] writes the captions of {first}; leave one out")


def load_policy(path: str, sources: Iterable[str]) -> Policy:
    """Read a policy, a file or a bare name, for a corpus of these sources. Raises `ConfigError`."""
    try:
        path = shipped_policy(path)
    except ValueError as error:
        raise ConfigError(f"policy '{path}': {error}") from error
    policy, known = load_config(path, Policy), sorted(sources)
    if unknown := sorted(set(policy.sources) - set(known)):
        raise ConfigError(f"{path}: [sources.{unknown[0]}] is no source of the corpus; they are {', '.join(known)}")
    return policy


def check_measured(config: CorpusConfig, policy: Policy, path: str) -> None:
    """Raise a `BylineError` when a policy asks for vectors or metrics that the corpus does not have, or for rules that
    are not installed."""
    measured = [metric.name for metric in config.metrics_in_use]
    for source in config.sources:
        rules = policy.rules_of(source.name)
        refuse_unmeasured(rules, measured, path)
        if rules.caption.synthetic == "refuse":
            _refuse_synthetic(config, path)
        if rules.caption.languages and config.language is None:
            raise ConfigError(
                f"{path}: caption.languages needs a [language] in the corpus config, which has none; add one "
                "or leave languages out"
            )
        if rules.caption.min_agreement is not None and not config.captions:
            raise ConfigError(
                f"{path}: caption.min_agreement needs a second captioner, a [captions.<name>] in the corpus config; "
                "add one or leave min_agreement out"
            )
    if policy.duplicates.min_cosine is not None and config.embedding is None:
        raise ConfigError(
            f"{path}: duplicates.min_cosine needs an [embedding] in the corpus config, which has none; add one "
            "or leave min_cosine out"
        )


def _refuse_synthetic(config: CorpusConfig, path: str) -> None:
    """Raise `ConfigError` for a captioner that makes captions up; one that people added may."""
    names = ["[caption]", *(f"[captions.{name}]" for name in sorted(config.captions))]
    for name, by in zip(names, config.caption_configs, strict=True):
        if by.captioner != "source-text":
            raise ConfigError(
                f'{path}: caption.synthetic = "refuse", and {name} of the corpus is written by {by.captioner}; '
                "caption with source-text or admit synthetic captions"
            )


def check_installed(config: CorpusConfig, policy: Policy) -> None:
    """Raise `ConfigError` when a build would need a library that is not here, before hours of fetching."""
    for caption_config in config.caption_configs:
        if isinstance(caption_config, GeneratingConfig):
            check_transformers(caption_config.captioner)
    if config.language:
        require_languages(config.language)
    if config.embedding:
        check_torch()
    if policy.duplicates.min_cosine is not None:
        check_faiss()
