"""Where the records of a source's file, as it is now, lie once they are ingested. Loads no Beam."""

import hashlib
from collections.abc import Sequence

from catalog.corpus import TAKEDOWNS, read_settings
from catalog.digests import digest_of
from catalog.errors import SourceError
from catalog.records import RECORD_SCHEMA
from catalog.storage import Store
from pipelines.config import SourceConfig


def records_path(source: SourceConfig, denylists: Sequence[str] = ()) -> str:
    """Return the path, named after the bytes of the source file, how they are read, and what others deny."""
    digest = hashlib.sha256()
    try:
        with open(source.path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except FileNotFoundError as error:
        raise SourceError(f"no source file at {source.path}; check `path` of source {source.name}") from error
    denied = [read_settings(Store(root)).get(TAKEDOWNS, []) for root in denylists]
    read_as = [source.reader, source.options.model_dump(), source.num_packs]
    run = digest_of([RECORD_SCHEMA.names, read_as, digest.hexdigest(), denied])[:16]
    return f"records/{source.name}/{run}.parquet"
