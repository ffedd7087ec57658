"""What a release of a config is made with, and what is said of it in the papers. Loads no Beam."""

from importlib.metadata import version

from byline.catalog.corpora.facts import instrument_name
from byline.catalog.policies.custom_rules import added_rules, makers_of_rules
from byline.catalog.policies.policy import Policy
from byline.pictures.config import GROUND
from byline.pipelines.corpora.config import CorpusConfig
from byline.pipelines.facts import languages
from byline.pipelines.facts.measures import EDGE_INSTRUMENT, FINGERPRINT_INSTRUMENT, MEASURED_QUALITY_INSTRUMENT
from byline.pipelines.releases.papers.account import Publication
from byline.pipelines.releases.papers.tools import LIBRARIES, tools_of
from byline.pipelines.releases.publishing import Settings
from byline.pipelines.sources.readers import check_reader


def settings(config: CorpusConfig, policy: Policy) -> Settings:
    """Say what a release of this config is made with."""
    instruments = config.instruments
    made_by = vars(config.captioner.attributed(""))
    also = sorted(
        {captioner.attributed("").model for captioner in config.also_captioners.values()} - {made_by["model"]}
    )
    weights = [("captioner", made_by["model"]), *(("captioner", model) for model in also)]
    weights += [("language detector", languages.DISTRIBUTION)] if config.language else []
    weights += sorted(config.weights.items())
    return Settings(
        name=config.name,
        instruments=instruments,
        measured={
            "pixels": instrument_name(
                "opencv", version("opencv-python-headless"), [version("simplejpeg"), _pixels(config), GROUND]
            ),
            "hashes": FINGERPRINT_INSTRUMENT,
            "quality": MEASURED_QUALITY_INSTRUMENT,
            "edges": EDGE_INSTRUMENT,
            **captions_measured(config),
            **({"safety": instruments.safety} if instruments.safety else {}),
            **({"embedding": instruments.embedding} if instruments.embedding else {}),
            **({"language": instruments.language} if instruments.language else {}),
            **{f"metric {name}": instrument for name, instrument in instruments.metrics},
            **makers_of_rules(policy, [source.name for source in config.sources]),
        },
        readers={source.name: source.reader for source in config.sources},
        captioner={name: made_by[name] for name in ("model", "revision", "prompt", "decoding")},
        tools=tools_of(weights, families=policy.families, libraries=[*LIBRARIES, *_added(config, policy)]),
        changes=changes(config),
        publication=Publication(**config.publication.model_dump()),
    )


def captions_measured(config: CorpusConfig) -> dict[str, str]:
    """Return what a manifest says of the captions that a release of this config ships."""
    also = zip(sorted(config.captions), config.instruments.also, strict=True)
    others = {f"captions {name}": f"{captioner.instrument} of weight {captioner.weight:g}" for name, captioner in also}
    return {"captions": config.instruments.captions, **others}


def _added(config: CorpusConfig, policy: Policy) -> set[str]:
    """Return the distributions whose readers, metrics and rules shape a release; the captioner's is told by itself."""
    readers = [check_reader(source.reader) for source in config.sources]
    rules = added_rules(policy, [source.name for source in config.sources]).values()
    used = [*(reader for reader in readers if reader), *(metric.extension for metric in config.metrics_in_use), *rules]
    return {extension.distribution for extension in used}


def _pixels(config: CorpusConfig) -> dict[str, object]:
    """Return what makes stored pixels what they are, as corpora named it that are older than `decoding`."""
    pixels = config.pixels
    return pixels.model_dump(mode="json", exclude={"decoding"} if pixels.decoding == "full" else None)


def changes(config: CorpusConfig) -> str:
    """Say, as the licenses ask, what was done to the pictures."""
    pixels = config.pixels
    if pixels.resize_mode == "no":
        return f"converted to JPEG (quality {pixels.encode_quality}) on {GROUND}"
    reduced = "; JPEGs decoded at reduced size" if pixels.decoding == "reduced" else ""
    return (
        f"resized to {pixels.image_size} px at most ({pixels.resize_mode}{reduced}) "
        f"and converted to JPEG (quality {pixels.encode_quality}) on {GROUND}"
    )
