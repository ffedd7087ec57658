"""Which shards a build would write under given verdicts, and their bytes, without writing or making one.

Sizes come from the joined rows of a pack. Only where a shard of the same size is there already are all samples put
together, for the digest that is in its name.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.manifest import SPLITS, Shard, Split
from byline.catalog.corpora.packs import Outcome, read_attempts
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.sample_sizes import sample_sizes, tar_bytes
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.policies.rules import Mask
from byline.pipelines.facts.rows import Instruments
from byline.pipelines.releases.samples import described, samples_of, shard_stem
from byline.pipelines.rights.plans.comparing import Comparison, Ints, Side

Action = Literal["kept", "found", "written", "dropped"]
SIZE_COLUMNS = ["json_bytes", "other_bytes"]
"""The columns of `pipelines.facts.rows.ROW_SCHEMA` that a plan of shards needs."""
Place = tuple[str, Split]
"""A pack and a split: there is one shard for each."""


@dataclass(frozen=True, kw_only=True)
class PlannedShard:
    """What a build makes of the shard of one pack and split."""

    pack: str
    split: Split
    action: Action
    """What becomes of it: `kept` is the release's own, `found` an older shard on disk with these samples, `dropped` one
    without samples left."""
    before: str | None
    """Name of the release's shard."""
    num_samples: int
    num_bytes: int
    """Size of the tar after the build."""
    copied_bytes: int
    """Bytes to write that the release's shard already has, so that they need not be made."""


@dataclass(frozen=True, kw_only=True)
class ShardPlanner:
    """Plans the shards of one pack after the other. Safe to share between threads."""

    store: Store
    instruments: Instruments
    released: Mapping[Place, Shard]
    same_captions: bool
    """Whether the release has the captions of the same captioner."""
    on_disk: Mapping[Place, Sequence[str]]
    """Names, without `.tar`, of all shards that are there with their tables and descriptions."""

    def plan(
        self, part: PackPart, compared: Comparison, verdicts: pa.Table, rows: Callable[[], pa.Table]
    ) -> list[PlannedShard]:
        """Return what becomes of the shards of a pack. `rows` gives `SIZE_COLUMNS` of its joined rows."""
        kept = self._kept(part, compared, verdicts)
        rows_of = {split: _in_split(compared.after, split) for split in SPLITS}
        shards, changed = [], []
        for split, here in rows_of.items():
            released = self.released.get((part.pack, split))
            had = _in_split(compared.before.side, split)
            is_whole = released is not None and released.num_samples == here.sum()  # no record is gone
            if released and is_whole and (here == had).all() and kept[here].all():
                shards.append(self._unchanged(released))
            elif released or here.any():
                changed.append(split)
        if changed:
            sizes = _sizes(rows(), compared.after)
            for split in changed:
                here = rows_of[split]
                shards.append(self._changed(part, split, verdicts, sizes[here], sizes[here & kept]))
        return shards

    def _kept(self, part: PackPart, compared: Comparison, verdicts: pa.Table) -> Mask:
        """Return which samples are, to the byte, those of the release: nothing that is said of them has changed."""
        kept = compared.before.side.admitted & compared.after.admitted & ~compared.relicensed & ~compared.moved
        if not self.same_captions:
            return np.zeros(len(kept), np.bool_)
        if (twice := _fetched_twice(self.store, part.pack)) is not None:
            kept &= ~np.asarray(pc.is_in(verdicts["record_id"], value_set=twice).to_numpy(), np.bool_)
        return kept

    def _unchanged(self, shard: Shard) -> PlannedShard:
        is_whole = self._is_whole(shard)
        return PlannedShard(
            pack=shard.pack,
            split=shard.split,
            action="kept" if is_whole else "written",
            before=shard.name,
            num_samples=shard.num_samples,
            num_bytes=shard.num_bytes,
            copied_bytes=0,
        )

    def _is_whole(self, shard: Shard) -> bool:
        """Tell whether a shard is on disk as the release describes it, as far as a build looks."""
        if _stem(shard) not in self.on_disk.get((shard.pack, shard.split), ()):
            return False
        return self.store.size_bytes(layout.shard_file(shard.name)) == shard.num_bytes

    def _changed(self, part: PackPart, split: Split, verdicts: pa.Table, sizes: Ints, kept: Ints) -> PlannedShard:
        before = self.released.get((part.pack, split))
        num_bytes = tar_bytes(sizes) if len(sizes) else 0
        action: Action = "written" if len(sizes) else "dropped"
        others = [stem for stem in self.on_disk.get((part.pack, split), ()) if before is None or stem != _stem(before)]
        alike = [shard for shard in (described(self.store, stem) for stem in others) if shard is not None]
        if before is not None and self._is_whole(before):
            alike.append(before)
        if len(sizes) and any((s.num_samples, s.num_bytes) == (len(sizes), num_bytes) for s in alike):
            samples = samples_of(part, self.store, verdicts, self.instruments)
            stem = shard_stem(part.pack, split, samples.filter(pc.equal(samples["split"], split)))
            if f"{stem}.tar" in {shard.name for shard in alike}:
                action = "kept" if before is not None and before.name == f"{stem}.tar" else "found"
        return PlannedShard(
            pack=part.pack,
            split=split,
            action=action,
            before=None if before is None else before.name,
            num_samples=len(sizes),
            num_bytes=num_bytes,
            copied_bytes=int(kept.sum()) if action == "written" and before and self._is_whole(before) else 0,
        )


def dropped(shard: Shard) -> PlannedShard:
    """Return the plan of a shard whose pack is judged no longer."""
    return PlannedShard(
        pack=shard.pack,
        split=shard.split,
        action="dropped",
        before=shard.name,
        num_samples=0,
        num_bytes=0,
        copied_bytes=0,
    )


def shards_on_disk(store: Store) -> dict[Place, list[str]]:
    """Return the names, without `.tar`, of all shards of a corpus that have a table and a description."""
    stems_by_place: dict[Place, list[str]] = {}
    there = set(store.files(layout.SHARDS))
    for name in sorted(there):
        stem = name.removesuffix(".tar")
        if not {f"{stem}.tar", f"{stem}.json", f"{stem}.parquet"} <= there:
            continue
        pack, split, _ = stem.rsplit("-", 2)
        stems_by_place.setdefault((pack, cast(Split, split)), []).append(stem)
    return stems_by_place


def _sizes(rows: pa.Table, side: Side) -> Ints:
    """Return the bytes of each sample."""
    json_bytes, other_bytes = (np.asarray(rows[name].to_numpy(), np.int64) for name in SIZE_COLUMNS)
    return sample_sizes(json_bytes, other_bytes, side.license, side.licenses, side.heldout)


def _stem(shard: Shard) -> str:
    return shard.name.removesuffix(".tar")


def _in_split(side: Side, split: Split) -> Mask:
    return np.asarray(side.admitted & (side.heldout == (split == "heldout")), np.bool_)


def _fetched_twice(store: Store, pack: str) -> pa.Array | None:
    """Return the records whose picture arrived more than once: what the index says of them may have changed."""
    if not store.exists(layout.pack_index(f"{pack}.001")):
        return None
    attempts = read_attempts(store, pack, ["record_id", "outcome"])
    arrived = attempts.filter(pc.equal(attempts["outcome"], str(Outcome.FETCHED)))["record_id"]
    times = pc.value_counts(arrived)
    return times.field("values").filter(pc.greater(times.field("counts"), 1))
