"""Where in releases the pictures lie that are taken down, those of versions too that were withdrawn before."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from byline.catalog.corpora.manifest import Manifest, Release, shard_table_path
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.rights.traces.release_traces import Place

Places = Mapping[Place, str]
"""Place in a release -> digest of the picture there."""
Exposures = Callable[[Manifest, Places], list[dict[str, Any]]]
"""What the checkpoints that are known have seen of these: `checkpoint`, and `times_seen` by digest, for each of them.
"""


def exposed(
    store: Store, releases: Iterable[Release], packs: Collection[str], sha256s: Collection[str]
) -> Iterator[tuple[Manifest, Places]]:
    """Yield where these pictures lie in these releases, and in every version that an earlier takedown withdrew.

    A checkpoint that was trained on a version knows its pictures, whatever became of the version.
    """
    wanted = pa.array(sorted(sha256s), pa.string())
    for release in releases:
        places: dict[Place, str] = {}
        for shard in (shard for shard in release.manifest.shards if shard.pack in packs):
            keys = store.read_table(shard_table_path(shard.name), ["key"])["key"]
            places |= _places_of(shard.name, keys, wanted)
        yield release.manifest, places
    for path in _withdrawn(store):
        samples = store.read_table(f"{path}/{layout.WITHDRAWN_SAMPLES}", ["shard", "key"])
        if not pc.any(pc.is_in(samples["key"], wanted)).as_py():
            continue
        places = {}
        for name in pc.unique(samples["shard"]).to_pylist():
            places |= _places_of(name, samples["key"].filter(pc.equal(samples["shard"], name)), wanted)
        yield _manifest(store, path), places


def _places_of(shard: str, keys: pa.ChunkedArray, wanted: pa.Array) -> dict[Place, str]:
    rows = pc.indices_nonzero(pc.is_in(keys, wanted))
    return {
        Place(shard=shard, row=row): key for row, key in zip(rows.to_pylist(), keys.take(rows).to_pylist(), strict=True)
    }


def _withdrawn(store: Store) -> Iterator[str]:
    for folder in (layout.versions_of(name) for name in store.folders(layout.RELEASES)):
        paths = (f"{folder}/{version}" for version in store.folders(folder))
        yield from (path for path in paths if store.exists(f"{path}/{layout.WITHDRAWN}"))


def _manifest(store: Store, path: str) -> Manifest:
    try:
        return Manifest.model_validate_json(store.read_bytes(f"{path}/{layout.MANIFEST}"))
    except ValidationError as error:
        raise CorpusError(
            f"{store.url(f'{path}/{layout.MANIFEST}')} is damaged: it tells which checkpoints have seen what goes; "
            "restore it, or delete the folder of that version, then run the takedown again"
        ) from error
