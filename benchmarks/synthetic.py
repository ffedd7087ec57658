"""A corpus of metadata alone, of any size: records and facts as a build would have left them, and no pictures.

What records say (claims, creators, titles, tags) is drawn from the real records of samples/; outcomes, sizes, quality
and copies have the rates that were measured there.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from rich.progress import track

from byline.catalog.corpora.corpus import write_settings
from byline.catalog.corpora.manifest import SPLITS, Manifest, Shard, Split, manifest_bytes, shard_table_path
from byline.catalog.corpora.packs import INDEX_SCHEMA
from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.corpora.records import RECORD_SCHEMA, records_table
from byline.catalog.corpora.sample_schema import SHARD_SCHEMA
from byline.catalog.corpora.url_index import URL_COLUMNS, UrlIndex
from byline.catalog.digests import canonical_json, digest_of, sha256_hex
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.policies.policy import Policy
from byline.dedup.colors import GRID_BYTES
from byline.dedup.views import TURNED, packed_views
from byline.pipelines.corpora.config import CorpusConfig
from byline.pipelines.corpora.settings import settings
from byline.pipelines.facts.edges import edges_stem
from byline.pipelines.facts.measures import (
    CAPTION_SCHEMA,
    CODE_SCHEMA,
    EDGE_SCHEMA,
    HASH_SCHEMA,
    QUALITY_SCHEMA,
    caption_facts,
    hash_facts,
    quality_facts,
)
from byline.pipelines.facts.rows import lacks
from byline.pipelines.judging.screening import screen_claims
from byline.pipelines.judging.verdicts import VERDICT_SCHEMA, verdicts_path
from byline.pipelines.releases.publishing import clusters_of
from byline.pipelines.releases.samples import samples_of, shard_stem
from byline.pipelines.sources.readers import READERS
from byline.pipelines.sources.readers.options import AS_IT_IS

SOURCE = "web"
PACK_RECORDS = 10_000
REAL = {
    "commons": "samples/sources/commons.json",
    "openverse": "samples/sources/openverse.json",
    "yfcc": "samples/sources/yfcc.tsv",
}
FETCHED = 0.985
"""Share of the admitted records of samples/ whose pictures arrived."""
NEAR = 0.03
"""Share of pictures with a near copy in the corpus."""


def make_corpus(store: Store, num_records: int, *, config: CorpusConfig, policy: Policy) -> list[PackPart]:
    """Write a corpus of `num_records` records, of which what the policy admits was fetched, measured and captioned."""
    path = f"records/{SOURCE}/synthetic.parquet"
    num_packs = max(1, num_records // PACK_RECORDS)
    real = real_records()
    asked = screen_claims(real.append_column("lacks", pa.array(lacks(real))), policy.rules_of(SOURCE))
    admitted, captions = asked.reasons.admitted, config.instruments.captions
    numbers = _numbers_by_pack(num_records, num_packs)
    edges: list[pa.Table] = []
    with store.writing_groups(path, RECORD_SCHEMA, compression="zstd") as writer:
        for pack, ids in enumerate(track(numbers, description=f"{num_records:,} records")):
            random = np.random.default_rng(pack)
            drawn = random.integers(0, len(real), len(ids))
            writer.write_table(_records(real.take(pa.array(drawn)), ids, pack), row_group_size=len(ids))
            edges.append(
                _facts(
                    store, f"{SOURCE}-{pack:05d}", ids, random, admitted[drawn], real.take(pa.array(drawn)), captions
                )
            )
    parts = parts_of(store, path)
    with store.scratch_folder() as scratch:
        index = UrlIndex(scratch / "urls")
        for part in parts:
            index.add(part.read_records(store, list(URL_COLUMNS)))
        index.write(store, path)
    stem = edges_stem(store, parts)
    store.write_table(f"{stem}.pairs.parquet", pa.concat_tables(edges))
    store.write_table(f"{stem}.recurring.parquet", CODE_SCHEMA.empty_table())
    pixels = config.pixels.model_dump(mode="json", exclude_none=True)
    write_settings(store, {"pixels": pixels, "num_packs": {SOURCE: num_packs}})
    return parts


def make_release(store: Store, parts: list[PackPart], config: CorpusConfig, policy: Policy) -> None:
    """Write a release of verdicts that were judged: all that plans and traces read of one, and no tars."""
    shards, papers, made_with = [], {}, settings(config, policy)
    tables = (store.read_scratch(verdicts_path(part.pack)).cast(VERDICT_SCHEMA) for part in parts)
    for part, verdicts in zip(parts, track(tables, total=len(parts), description="release"), strict=True):
        papers[f"verdicts/{part.pack}.parquet"] = parquet_bytes(verdicts)
        shards += [_shard(store, part, split, samples) for split, samples in _samples(part, store, verdicts, config)]
    judged = {part.pack: store.read_scratch(verdicts_path(part.pack)) for part in parts}
    papers["clusters.parquet"] = parquet_bytes(clusters_of(judged, parts, store))
    papers["policy.json"] = canonical_json(policy.model_dump(mode="json"))
    papers["settings.json"] = canonical_json(made_with.model_dump(mode="json"))
    manifest = Manifest(
        name=config.name,
        policy_digest=digest_of(policy),
        instruments=made_with.measured,
        shards=tuple(sorted(shards, key=lambda shard: shard.name)),
        counts={},
        reasons={},
        licenses={},
        records={SOURCE: parts[0].records_path},
        papers={name: sha256_hex(papers[name]) for name in sorted(papers)},
    )
    path = f"releases/{config.name}/{manifest.digest[:16]}"
    for name, data in {**papers, "manifest.json": manifest_bytes(manifest)}.items():
        store.write_bytes(f"{path}/{name}", data, is_scratch=True)
    store.write_bytes(f"releases/{config.name}/LATEST", manifest.digest[:16].encode())


def _samples(part: PackPart, store: Store, verdicts: pa.Table, config: CorpusConfig) -> list[tuple[Split, pa.Table]]:
    samples = samples_of(part, store, verdicts, config.instruments)
    by_split = [(split, samples.filter(pc.equal(samples["split"], split))) for split in SPLITS]
    return [(split, chosen) for split, chosen in by_split if len(chosen)]


def _shard(store: Store, part: PackPart, split: Split, samples: pa.Table) -> Shard:
    nowhere = pa.array(np.zeros(len(samples), np.int64))
    table = pa.table([*samples.columns, nowhere, nowhere, nowhere.cast(pa.uint64())], schema=SHARD_SCHEMA)
    data, stem = parquet_bytes(table), shard_stem(part.pack, split, samples)
    shard = Shard(
        name=f"{stem}.tar",
        pack=part.pack,
        split=split,
        sha256="0" * 64,
        table_sha256=sha256_hex(data),
        num_samples=len(samples),
        num_bytes=0,
    )
    store.write_bytes(shard_table_path(shard.name), data, is_scratch=True)
    return shard


def real_records() -> pa.Table:
    """Return the records of samples/."""
    records = [record for name, path in REAL.items() for record in READERS[name](path, name, AS_IT_IS)]
    return records_table(records, num_packs=1)  # type: ignore[arg-type]


def _numbers_by_pack(num_records: int, num_packs: int) -> list[list[str]]:
    packs: list[list[str]] = [[] for _ in range(num_packs)]
    for number in range(num_records):
        record_id = f"{SOURCE}:{number}"
        packs[int(sha256_hex(record_id.encode())[:12], 16) % num_packs].append(record_id)
    return [sorted(ids) for ids in packs]


def _records(drawn: pa.Table, ids: list[str], pack: int) -> pa.Table:
    urls = [_url(record_id) for record_id in ids]
    pages = [url.replace(".jpg", "/") for url in urls]
    own = {
        "record_id": pa.array(ids),
        "pack": pa.array([f"{SOURCE}-{pack:05d}"] * len(ids)),
        "url": pa.array(urls),
        "landing_url": pa.array(pages),
        "text_sha256": pa.array([sha256_hex(record_id.encode()) for record_id in ids]),
    }
    return pa.table({name: own.get(name, drawn[name]) for name in RECORD_SCHEMA.names}, schema=RECORD_SCHEMA)


def _facts(
    store: Store,
    pack: str,
    ids: list[str],
    random: np.random.Generator,
    admitted: np.ndarray,
    drawn: pa.Table,
    captions: str,
) -> pa.Table:
    asked = np.flatnonzero(admitted)
    is_fetched = random.random(len(asked)) < FETCHED
    digests = np.array([sha256_hex(f"picture of {ids[row]}".encode()) for row in asked], object)
    width = random.integers(64, 4000, len(asked))
    height = (width * random.uniform(0.5, 1.6, len(asked))).astype(np.int64)
    index = {
        "url": pa.array([_url(ids[row]) for row in asked]),
        "key": pa.array(np.where(is_fetched, digests, "")),
        "status": pa.array(np.where(is_fetched, "success", "failed_to_download")),
        "width": pa.array(np.full(len(asked), 256), pa.int32()),
        "height": pa.array(np.full(len(asked), 192), pa.int32()),
        "original_width": pa.array(width, pa.int32()),
        "original_height": pa.array(height, pa.int32()),
        "sha256": pa.array(digests, pa.string(), mask=~is_fetched),
        "record_id": pa.array([ids[row] for row in asked]),
        "outcome": pa.array(np.where(is_fetched, "fetched", "http-error")),
        "stored_sha256": pa.array(digests, pa.string(), mask=~is_fetched),
    }
    nothing = pa.nulls(len(asked))
    table = pa.table({f.name: index.get(f.name, nothing).cast(f.type) for f in INDEX_SCHEMA}, schema=INDEX_SCHEMA)
    store.write_table(f"packs/{pack}.000.parquet", table)
    rows = asked[is_fetched]
    keys = digests[is_fetched]
    copies = np.arange(0, int(len(rows) * NEAR) // 2 * 2, 2)
    codes, turned = _codes(random, len(rows), copies), _codes(random, len(rows), copies)
    gray = np.full((len(rows), GRID_BYTES), 128, np.uint8)
    views = np.concatenate([np.full((len(rows), 1), TURNED, np.uint8), turned, gray], axis=1)
    by_key = pa.array(np.argsort(keys))
    hashes = pa.table(
        {
            "sha256": pa.array(keys),
            "phash256": [code.tobytes() for code in codes],
            "colors": [color.tobytes() for color in gray],
            "pixels": pa.array(keys),
            "views": packed_views(np.arange(len(rows)), views, len(rows)),
        },
        schema=HASH_SCHEMA,
    )
    store.write_table(f"{hash_facts(store).folder}/{pack}.000.parquet", hashes.take(by_key))
    quality = {
        "sha256": keys,
        "sharpness": random.gamma(2, 200, len(rows)),
        "flatness": random.beta(1, 6, len(rows)),
        "contrast": random.beta(4, 8, len(rows)),
        "spread": random.integers(100, 256, len(rows)),
    }
    store.write_table(
        f"{quality_facts(store).folder}/{pack}.000.parquet", pa.table(quality, schema=QUALITY_SCHEMA).take(by_key)
    )
    num = len(rows)
    none: list[list[str]] = [[]] * num
    texts = pa.table(
        {
            "shown_sha256": [sha256_hex(ids[row].encode()) for row in rows],
            "text": drawn["title"].take(pa.array(rows)).fill_null("a picture"),
            "model": ["source-text"] * num,
            "revision": ["1"] * num,
            "prompt": [""] * num,
            "decoding": ["{}"] * num,
            "seed": np.zeros(num, np.int64),
            "num_tokens": [None] * num,
            "mean_log_prob": [None] * num,
            "more": none,
            "more_num_tokens": none,
            "more_mean_log_prob": none,
        },
        schema=CAPTION_SCHEMA,
    )
    store.write_table(f"{caption_facts(store, captions).folder}/{pack}.000.parquet", texts.sort_by("shown_sha256"))
    sides = [[looks[row].tobytes() for looks in (codes, turned) for row in copies + side] for side in (0, 1)]
    return pa.table({"a": sides[0], "b": sides[1], "distance_bits": np.full(2 * len(copies), 2)}, schema=EDGE_SCHEMA)


def _url(record_id: str) -> str:
    return f"https://pictures.example/{record_id[len(SOURCE) + 1 :]}.jpg"


def _codes(random: np.random.Generator, num: int, copies: np.ndarray) -> np.ndarray:
    """Return random hashes, of which those after `copies` are near these."""
    codes = random.integers(0, 256, (num, 32), dtype=np.uint8)
    codes[copies + 1] = codes[copies]
    codes[copies + 1, 0] ^= 0b101
    return codes
