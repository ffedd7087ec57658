"""Where in releases the pictures lie that are taken down, those of versions too that were withdrawn before."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Manifest, Release, shard_table_path
from byline.catalog.corpora.withdrawn import read_withdrawn_manifest, withdrawn_versions
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
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
    for path in withdrawn_versions(store):
        samples = store.read_table(f"{path}/{layout.WITHDRAWN_SAMPLES}", ["shard", "key"])
        if not pc.any(pc.is_in(samples["key"], wanted)).as_py():
            continue
        places = {}
        for name in pc.unique(samples["shard"]).to_pylist():
            places |= _places_of(name, samples["key"].filter(pc.equal(samples["shard"], name)), wanted)
        yield read_withdrawn_manifest(store, path), places


def _places_of(shard: str, keys: pa.ChunkedArray, wanted: pa.Array) -> dict[Place, str]:
    rows = pc.indices_nonzero(pc.is_in(keys, wanted))
    return {
        Place(shard=shard, row=row): key for row, key in zip(rows.to_pylist(), keys.take(rows).to_pylist(), strict=True)
    }
