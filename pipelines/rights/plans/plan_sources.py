"""Which records a plan judges: those of the release, and why others are not among them."""

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.disk import layout
from byline.catalog.errors import SourceError
from byline.pipelines.corpora.config import CorpusConfig
from byline.pipelines.sources.config import SourceConfig
from byline.pipelines.sources.ingested import records_path
from byline.pipelines.sources.readers.files import files_of

AS_INGESTED = "as ingested"
CHANGED = "changed since it was ingested"
NO_FILE = "its file is missing"
NOT_INGESTED = "never ingested"
NOT_RELEASED = "ingested, and not in the release"
LEFT_OUT = "in the release, and not in the config"


def sources_of(config: CorpusConfig, release: Release | None) -> tuple[dict[str, str], list[PackPart]]:
    """Return the state of every source, by name, and the packs to judge, sorted.

    Judged are the records of the release, of sources that the config still names; without a release all that was
    ingested of the files as they are now. Every file is read, since one that is older than its records can be another.
    """
    store, released = config.store, release.manifest.records if release else {}
    states = dict.fromkeys(set(released) - {source.name for source in config.sources}, LEFT_OUT)
    parts: list[PackPart] = []
    for source in config.sources:
        path = released.get(source.name)
        state, now = _state(source, config, path)
        judged = now if release is None else path
        states[source.name] = state
        if judged is not None:
            parts += parts_of(store, judged)
    return dict(sorted(states.items())), sorted(parts)


def _state(source: SourceConfig, config: CorpusConfig, released: str | None) -> tuple[str, str | None]:
    """Return the state of a source, and where the records of its file lie, if they are there."""
    try:
        files_of(source.path)
    except SourceError:
        return NO_FILE, None
    path = records_path(source, config.denylists, config.store)
    if released is not None:
        return (AS_INGESTED if path == released else CHANGED), released
    if not config.store.exists(path):
        return NOT_INGESTED, None
    is_released = config.store.exists(layout.latest(config.name)) and len(parts_of(config.store, path))
    return (NOT_RELEASED if is_released else AS_INGESTED), path
