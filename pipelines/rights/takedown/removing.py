"""Remove records and their pictures from everything that a corpus keeps, except from releases.

Each step can be done again: what is gone already stays gone. A file is replaced whole.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.facts import PAIRS, Key, key_of
from byline.catalog.corpora.packs import remove_records
from byline.catalog.corpora.parts import parts_of, write_records
from byline.catalog.corpora.rechecks import forget_checks
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.dedup.views import unpack_views
from byline.pipelines.facts.measures import caption_facts, hash_facts
from byline.pipelines.judging.verdicts import verdicts_path
from byline.pipelines.rights.takedown.selecting import Selection

NOT_RECORDS = (".unreadable.parquet", ".urls.parquet")


@dataclass(frozen=True, kw_only=True)
class Doomed:
    """What must be gone. Nothing else has these keys."""

    record_ids: frozenset[str]
    sha256s: frozenset[str]
    texts: frozenset[str]
    """`text_sha256` of the records: keys of captions that only they have."""
    captions: frozenset[str]
    """Digests of the captions: keys of token vectors that only they have."""
    codes: frozenset[bytes]
    """Perceptual hashes that no other picture has."""
    packs: tuple[str, ...]

    def keys(self, key: Key) -> frozenset[str]:
        """Return what goes of facts that are about this."""
        match key:
            case Key.PICTURE:
                return self.sha256s
            case Key.SHOWN:
                return self.texts | self.sha256s
            case Key.CAPTION:
                return self.captions


def doomed_by(store: Store, selection: Selection) -> Doomed:
    """Find the keys of what the records that go, and no others, have left in the facts of their packs."""
    record_ids, sha256s = selection.record_ids, selection.sha256s
    packs = tuple(sorted({victim.pack for victim in selection.victims}))
    texts = _only_theirs(_texts(store, packs), record_ids)
    keys = texts | sha256s
    captions = _only_theirs(_captions(store, packs), keys)
    return Doomed(
        record_ids=record_ids,
        sha256s=sha256s,
        texts=texts,
        captions=frozenset(sha256_hex(caption.encode()) for caption in captions),
        codes=_codes(store, packs, sha256s),
        packs=packs,
    )


def remove(store: Store, doomed: Doomed) -> Iterator[str]:
    """Remove it from records, packs, facts, pairs and judgements; yield the path of every file that changed."""
    for source in store.folders(layout.RECORDS):
        for name in store.files(layout.records_of(source), suffix=".parquet"):
            if not name.endswith(NOT_RECORDS):
                yield from _from_records(store, f"{layout.records_of(source)}/{name}", doomed)
    for pack in doomed.packs:
        yield from remove_records(store, pack, doomed.record_ids)
        yield from forget_checks(store, pack, doomed.record_ids)
    yield from _from_facts(store, doomed)
    yield from _from_pairs(store, doomed)
    for name in store.files(layout.ROWS):
        if name.rsplit("-", 1)[0] in doomed.packs:
            store.remove(f"{layout.ROWS}/{name}")
    for pack in doomed.packs:
        store.remove(verdicts_path(pack))
        store.remove(layout.claims(pack))
    for stem in store.folders(layout.SEARCHES):
        for name in store.files(f"{layout.SEARCHES}/{stem}"):
            store.remove(f"{layout.SEARCHES}/{stem}/{name}")


def _texts(store: Store, packs: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (text key, record) of all records of these packs, in every ingest run."""
    for source in sorted({pack.rsplit("-", 1)[0] for pack in packs}):
        for name in store.files(layout.records_of(source), suffix=".parquet"):
            if name.endswith(NOT_RECORDS):
                continue
            for part in parts_of(store, f"{layout.records_of(source)}/{name}"):
                if part.pack in packs:
                    records = part.read_records(store, ["text_sha256", "record_id"])
                    yield from zip(*(column.to_pylist() for column in records.columns), strict=True)


def _captions(store: Store, packs: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield (caption, its key) of all captions of these packs, by every captioner."""
    for instrument in store.folders(layout.facts_of("captions")):
        for pack in packs:
            table = caption_facts(store, instrument).read(pack, ["text", "more"])
            for key, text, more in zip(*(column.to_pylist() for column in table.columns), strict=True):
                yield from ((caption, key) for caption in (text, *(more or ())))


def _only_theirs(owned: Iterable[tuple[str, str]], owners: Collection[str]) -> frozenset[str]:
    """Return the things all of whose owners are among `owners`."""
    theirs: set[str] = set()
    others: set[str] = set()
    for thing, owner in owned:
        (theirs if owner in owners else others).add(thing)
    return frozenset(theirs - others)


def _codes(store: Store, packs: Collection[str], sha256s: Collection[str]) -> frozenset[bytes]:
    """Return the hashes of these pictures, as they are and of their views, that no other picture of the corpus has.

    By every instrument whose facts are there: those of an earlier version of byline too.
    """
    gone, theirs = pa.array(sorted(sha256s), pa.string()), set[bytes]()
    for _, table in _hash_tables(store, packs):
        theirs |= _all_codes(table.filter(pc.is_in(table["sha256"], gone)))
    for _, table in _hash_tables(store) if theirs else []:
        theirs -= _all_codes(table.filter(pc.invert(pc.is_in(table["sha256"], gone))))
    return frozenset(theirs)


def _hash_tables(store: Store, packs: Collection[str] | None = None) -> Iterator[tuple[str, pa.Table]]:
    """Yield pack and hashes, by any instrument, of these packs or of all."""
    for instrument in store.folders(layout.facts_of("hashes")):
        columns = ["sha256", "phash256", "views"] if instrument == hash_facts(store).instrument else None
        for name in store.files(layout.facts_folder("hashes", instrument), suffix=".parquet"):
            pack = name.split(".")[0]
            if packs is None or pack in packs:
                yield pack, store.read_table(f"{layout.facts_folder('hashes', instrument)}/{name}", columns)


def _all_codes(hashes: pa.Table) -> set[bytes]:
    views: list[bytes] = []
    if "views" in hashes.column_names:
        views = np.ascontiguousarray(unpack_views(hashes["views"])[2]).view("V32")[:, 0].tolist()
    return {*hashes["phash256"].to_pylist(), *views}


def _from_records(store: Store, path: str, doomed: Doomed) -> Iterator[str]:
    parts = [part for part in parts_of(store, path) if part.pack in doomed.packs]
    ids = pa.array(sorted(doomed.record_ids), pa.string())
    if not any(pc.any(pc.is_in(part.read_records(store, ["record_id"])["record_id"], ids)).as_py() for part in parts):
        return
    records = pa.concat_tables([part.read_records(store) for part in parts_of(store, path)])
    kept = records.filter(pc.invert(pc.is_in(records["record_id"], ids)))
    write_records(store, path, kept)
    yield path


def _from_facts(store: Store, doomed: Doomed) -> Iterator[str]:
    for measure in (name for name in store.folders(layout.FACTS) if name not in PAIRS):
        for instrument in store.folders(layout.facts_of(measure)):
            for pack in doomed.packs:
                stems = store.numbered(layout.fact_segments(measure, instrument, pack), ".parquet")
                for stem in reversed(stems):  # where one is missing, those behind it are not found
                    yield from _from_table(store, f"{stem}.parquet", doomed)


def _from_table(store: Store, path: str, doomed: Doomed) -> Iterator[str]:
    """Remove what goes from a segment. One that has no key, of another version of byline perhaps, goes whole: which of
    its rows are about what goes cannot be told, and facts can be measured again."""
    key = key_of(store, path)
    if key is None:
        store.remove(path)
        yield path
        return
    table = store.read_table(path)
    kept = table.filter(pc.invert(pc.is_in(table[key], pa.array(sorted(doomed.keys(key)), pa.string()))))
    if len(kept) < len(table):
        store.write_table(path, kept)
        yield path


def _from_pairs(store: Store, doomed: Doomed) -> Iterator[str]:
    codes, digests = pa.array(sorted(doomed.codes), pa.binary(32)), pa.array(sorted(doomed.sha256s), pa.string())
    for measure, gone in (("edges", codes), ("similar", digests)):
        for instrument in store.folders(layout.facts_of(measure)):
            for name in store.files(layout.facts_folder(measure, instrument), suffix=".parquet"):
                path = f"{layout.facts_folder(measure, instrument)}/{name}"
                table = store.read_table(path)
                kept = table
                for column in table.column_names:
                    if kept[column].type == gone.type:
                        kept = kept.filter(pc.invert(pc.is_in(kept[column], gone)))
                if measure == "similar" and _stood_for_others(table, gone):
                    store.remove(path)  # and the vectors that are left are compared anew
                    yield path
                elif len(kept) < len(table):
                    store.write_table(path, kept)
                    yield path


def _stood_for_others(pairs: pa.Table, gone: pa.Array) -> bool:
    """Tell whether one that goes has an equal vector that stays: of equal ones, only the first was compared."""
    goes = [pc.is_in(pairs[side], gone) for side in ("a", "b")]
    return bool(pc.any(pc.and_(pc.equal(pairs["cosine"], 1), pc.xor(*goes))).as_py())
