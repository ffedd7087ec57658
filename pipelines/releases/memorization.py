"""Count what a model may come to memorize from a release: a pass over its verdicts and the captions of its shards.

Of each sample a few numbers are kept, 18 bytes, which are there twice while they are counted: 2.5 GB for 70 million.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import Shard, read_shard_table
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.columns import is_blank
from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import Policy
from byline.catalog.threads import in_threads
from byline.pipelines.facts.edges import first_word
from byline.pipelines.facts.rows import Instruments, read_rows
from byline.pipelines.judging.resolving import CAP, CONFLICT, REASONS, SAME_BYTES
from byline.pipelines.releases.papers.memorization_counts import (
    NUM_LISTED,
    Cluster,
    CopiesLeft,
    MemorizationRisk,
    Words,
    binned,
    count_captions,
    count_clusters,
    count_creators,
    most_frequent,
)
from byline.pipelines.releases.papers.text_numbers import text_numbers

NEAR_LEFT = "near_left"
"""Column of the verdicts: how many other admitted pictures are near this one."""
NUM_IDS = 5
"""Copies of a listed cluster that are named."""
Mask = npt.NDArray[np.bool_]
_SAME_BYTES, _CAPPED, _HELD_BACK = (REASONS[bit.bit_length() - 1] for bit in (SAME_BYTES, CAP, CONFLICT))


@dataclass(frozen=True, kw_only=True)
class _Pack:
    """What is counted of one pack. Samples are in the order of its shards' tables."""

    part: PackPart
    shards: tuple[Shard, ...]
    captions: Words
    is_train: Mask
    is_near: Mask | None
    creators: Words
    """The creators of the admitted records, in the verdicts' order."""
    capped_creators: Words
    num_alone_or_keeper: int
    near_left: Mapping[str, int]
    most_near_left: int


def memorization_risk(
    shards: Iterable[Shard],
    parts: Iterable[PackPart],
    tables: Mapping[str, pa.Table],
    clusters: pa.Table,
    store: Store,
    policy: Policy,
    instruments: Instruments,
) -> MemorizationRisk:
    """Count the copies, captions and creators of a release.

    `tables` are the verdicts by pack, `clusters` what `pipelines.releases.publishing.clusters_of` gives. It depends on
    nothing else but the shards' tables and the rows that were judged.
    """
    of_pack: dict[str, list[Shard]] = {}
    for shard in sorted(shards, key=lambda shard: shard.name):
        of_pack.setdefault(shard.pack, []).append(shard)

    def look(part: PackPart) -> _Pack:
        return _look(part, of_pack.get(part.pack, []), tables[part.pack], store, instruments)

    packs = list(in_threads(look, sorted(parts)))
    captions, is_train = (np.concatenate([getattr(pack, name) for pack in packs]) for name in ("captions", "is_train"))
    nears = [pack.is_near for pack in packs if pack.is_near is not None]
    is_near = np.concatenate(nears) if len(nears) == len(packs) else None
    return MemorizationRisk(
        copies_left=None if is_near is None else _copies_left(packs, policy.split.radius_bits),
        copies_taken_out=count_clusters(
            _keepers(clusters),
            num_alone_or_keeper=sum(pack.num_alone_or_keeper for pack in packs),
            largest=_largest(clusters),
        ),
        captions=count_captions(captions, is_near, _texts(packs, store)),
        train_captions=count_captions(
            captions[is_train], None if is_near is None else is_near[is_train], _texts(packs, store)
        ),
        creators=count_creators(
            np.concatenate([pack.creators for pack in packs]),
            np.concatenate([pack.capped_creators for pack in packs]),
            None if policy.caps is None else policy.caps.max_per_creator,
            _names(packs, tables, store),
        ),
    )


def _look(part: PackPart, shards: list[Shard], verdicts: pa.Table, store: Store, instruments: Instruments) -> _Pack:
    admitted = verdicts.filter(verdicts["admitted"])
    creators = read_rows(part, store, instruments, ["creator"])["creator"].to_numpy()
    samples = _samples(shards, store, ["sha256", "caption"])
    left = _near_left(admitted)
    is_near = None
    if left is not None:
        places = pc.index_in(samples["sha256"], value_set=admitted["sha256"].combine_chunks())
        is_near = (left > 0)[places.to_numpy()]
    is_train = [np.full(shard.num_samples, shard.split == "train") for shard in shards]
    return _Pack(
        part=part,
        shards=tuple(shards),
        captions=text_numbers(samples["caption"]),
        is_train=np.concatenate([np.zeros(0, np.bool_), *is_train]),
        is_near=is_near,
        creators=creators[verdicts["admitted"].to_numpy()],
        capped_creators=creators[_says(verdicts, [_CAPPED])],
        num_alone_or_keeper=_num_alone_or_keeper(verdicts),
        near_left={} if left is None else binned(left, least=0),
        most_near_left=0 if left is None else int(left.max(initial=0)),
    )


def _samples(shards: Iterable[Shard], store: Store, columns: list[str]) -> pa.Table:
    tables = [read_shard_table(store, shard.name, columns) for shard in shards]
    return pa.concat_tables([pa.schema([(name, pa.string()) for name in columns]).empty_table(), *tables])


def _near_left(admitted: pa.Table) -> npt.NDArray[np.int64] | None:
    if NEAR_LEFT not in admitted.column_names:
        return None
    return np.asarray(pc.fill_null(admitted[NEAR_LEFT], 0).to_numpy(), np.int64)


def _says(verdicts: pa.Table, reasons: list[str]) -> Mask:
    """Return which records have one of these reasons."""
    parents = pc.list_parent_indices(verdicts["reasons"]).to_numpy()
    is_listed = pc.is_in(pc.list_flatten(verdicts["reasons"]), value_set=pa.array(reasons)).to_numpy()
    has_reason = np.zeros(len(verdicts), np.bool_)
    has_reason[parents[is_listed]] = True
    return has_reason


def _num_alone_or_keeper(verdicts: pa.Table) -> int:
    """Return how many records stand for themselves, with at most a cap or a conflict of licenses against them."""
    parents = pc.list_parent_indices(verdicts["reasons"]).to_numpy()
    is_listed = pc.is_in(pc.list_flatten(verdicts["reasons"]), value_set=pa.array([_CAPPED, _HELD_BACK])).to_numpy()
    is_left = verdicts["keeper_record_id"].is_null().to_numpy().copy()
    is_left[parents[~is_listed]] = False
    return int(is_left.sum())


def _copies_left(packs: list[_Pack], radius_bits: int) -> CopiesLeft:
    bins = {name: sum(pack.near_left[name] for pack in packs) for name in packs[0].near_left}
    return CopiesLeft(radius_bits=radius_bits, pictures=bins, most=max(pack.most_near_left for pack in packs))


def _keepers(clusters: pa.Table) -> Words:
    chunks = clusters["keeper_sha256"].chunks  # all together may be longer than an array of text can be
    return np.concatenate([np.zeros(0, np.uint64), *(first_word(pa.chunked_array([chunk])) for chunk in chunks)])


def _largest(clusters: pa.Table) -> tuple[Cluster, ...]:
    keepers = _keepers(clusters)
    most, _ = most_frequent(*np.unique(keepers, return_counts=True), least=1)
    largest = [_cluster(clusters.filter(pa.array(keepers == keeper))) for keeper in most]
    return tuple(sorted(largest, key=lambda cluster: (-cluster.num_pictures, cluster.keeper_record_id)))[:NUM_LISTED]


def _cluster(copies: pa.Table) -> Cluster:
    return Cluster(
        keeper_record_id=copies["keeper_record_id"][0].as_py(),
        keeper_sha256=copies["keeper_sha256"][0].as_py(),
        num_pictures=1 + len(copies),
        num_same_bytes=int(_says(copies, [_SAME_BYTES]).sum()),
        farthest_bits=pc.max(copies["distance_bits"]).as_py(),
        record_ids=tuple(copies["record_id"].slice(0, NUM_IDS).to_pylist()),
    )


def _texts(packs: list[_Pack], store: Store) -> Callable[[Words], list[str]]:
    """Return what reads captions by their numbers again, each from the first pack that has it."""

    def read(pack: _Pack, row: int) -> str:
        return str(_samples(pack.shards, store, ["caption"])["caption"][row].as_py() or "")

    return lambda numbers: [read(*_first(packs, "captions", number)) for number in numbers]


def _names(packs: list[_Pack], tables: Mapping[str, pa.Table], store: Store) -> Callable[[Words], list[str]]:
    """Return what reads creators by their numbers again: their name, or where there is none their page."""

    def read(pack: _Pack, row: int) -> str:
        admitted = tables[pack.part.pack]["admitted"]
        credit = pack.part.read_stated(store, ["creator", "creator_url"]).filter(admitted).slice(row, 1)
        names = pc.if_else(is_blank(credit["creator"]), credit["creator_url"], credit["creator"])
        return str(names[0].as_py())

    return lambda numbers: [read(*_first(packs, "creators", number)) for number in numbers]


def _first(packs: list[_Pack], column: str, number: np.uint64) -> tuple[_Pack, int]:
    """Return the first row with a number, and its pack. One has it."""
    for pack in packs:
        rows = np.flatnonzero(getattr(pack, column) == number)
        if len(rows):
            return pack, int(rows[0])
    raise AssertionError(f"no pack has the number {number}")
