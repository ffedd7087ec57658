"""What is known of each record of a pack, joined: claims, outcome, facts, caption. All that is judged, and no policy.

Joining costs more than judging, so the joined rows are kept in `judgements/rows/`, under a name that changes when a
segment of any of their parts is added. They can be deleted at any time.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from byline.catalog.caption_flags import caption_flags
from byline.catalog.caption_words import words_of
from byline.catalog.corpora.facts import FactTable
from byline.catalog.corpora.packs import Outcome, num_pack_segments, read_rows_of
from byline.catalog.corpora.parts import PackPart
from byline.catalog.corpora.rechecks import NEWEST_COLUMNS, newest_findings, num_segments
from byline.catalog.corpora.sample_schema import INDEX_COLUMNS, RECORD_COLUMNS
from byline.catalog.corpora.sample_sizes import json_bytes, other_bytes
from byline.catalog.digests import digest_of, sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.columns import is_blank
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError, StorageError
from byline.catalog.nothing import is_nowhere, stated
from byline.catalog.policies.custom_rules import METRIC, SAID
from byline.dedup.colors import GRID_BYTES
from byline.dedup.views import split_views
from byline.pipelines.facts.languages import languages_of
from byline.pipelines.facts.measures import caption_facts, hash_facts, metric_facts, quality_facts, safety_facts
from byline.pipelines.facts.shipped_captions import CaptionsBy, agreement, shipped_captions

CREDIT_COLUMNS = {"creator": ("creator",), "title": ("title",), "source": ("landing_url", "url")}
"""A part of a credit is lacking when all of these columns are blank; the bits of `lacks`, in this order."""
NO_WORDS = 0
"""The words of a caption that has none."""
NOBODY = 0
"""The creator of a record that names none."""
ROWS_VERSION = 5
"""Version of what the derived columns mean: rows of another version are joined anew."""
QUALITY_COLUMNS = ["contrast", "flatness", "sharpness", "spread"]
LACKS_COLUMNS = sorted({name for columns in CREDIT_COLUMNS.values() for name in columns})
WORDS = ("license_claims", "outcome", "consent", "caption_language", *NEWEST_COLUMNS)
"""Columns with few distinct values, which are read as dictionaries."""

ROW_SCHEMA = pa.schema(
    [
        ("record_id", pa.string()),
        ("license_claims", pa.string()),
        ("lacks", pa.int8()),
        ("creator", pa.uint64()),
        ("retrieved_at", pa.string()),
        ("text_sha256", pa.string()),
        ("outcome", pa.string()),
        ("sha256", pa.string()),
        ("consent", pa.string()),
        ("recheck", pa.string()),
        ("recheck_consent", pa.string()),
        ("recheck_claims", pa.string()),
        ("original_width", pa.int32()),
        ("original_height", pa.int32()),
        ("contrast", pa.float64()),
        ("flatness", pa.float64()),
        ("sharpness", pa.float64()),
        ("spread", pa.int32()),
        ("nsfw", pa.float64()),
        ("phash256", pa.binary(32)),
        ("pixels", pa.string()),
        ("colors", pa.binary(GRID_BYTES)),
        ("turned", pa.binary()),
        ("trimmed", pa.binary()),
        ("caption_characters", pa.int32()),
        ("caption_flags", pa.int32()),
        ("caption_words", pa.uint64()),
        ("caption_agreement", pa.float64()),
        ("caption_language", pa.string()),
        ("caption_language_score", pa.float64()),
        ("json_bytes", pa.int64()),
        ("other_bytes", pa.int64()),
        ("final_url", pa.string()),
    ]
)
"""One row a record, sorted by record_id. What was not asked for has no outcome, what did not arrive no measures;
`recheck...` is what was found since: see `catalog.corpora.rechecks.newest_findings`. `creator` is a number for whoever
is credited, by page or else by name, within the source; 0 for nobody. A caption that was not made yet is null, and so
is one while another captioner of the release is behind; its flags are those of `catalog.caption_flags`,
`caption_words` a number for its words in their order, `caption_agreement` the greatest F1 of its words and a caption's
by another captioner (null without one), and the language is told only where the corpus has a detector. `turned` and
`trimmed` are the views of each kind, packed; what is both is among the latter. `json_bytes` and `other_bytes` are what
the sample would fill: see `catalog.corpora.sample_sizes`. A corpus with metrics of people's own has a column
`metric:<name>` for each: null where it was not measured, not a number where it has nothing to say."""


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """Which facts are judged and released, where a corpus may hold those of several instruments."""

    captions: str
    captions_see_pixels: bool
    safety: str | None = None
    embedding: str | None = None
    evaluation: tuple[str, ...] = ()
    """Digests of the corpus' copies of its evaluation sets, `evaluation/<digest>.parquet`."""
    metrics: Annotated[tuple[tuple[str, str], ...], Field(exclude_if=lambda pairs: not pairs)] = ()
    """Name of each metric that people added, with its instrument. None are not named, as in older releases."""
    also: Annotated[tuple[CaptionsBy, ...], Field(exclude_if=lambda captioners: not captioners)] = ()
    """Whose captions are released beside those of `captions`. None are not named, as in older releases."""
    language: Annotated[str | None, Field(exclude_if=lambda instrument: instrument is None)] = None
    """What tells the language of a caption. None is not named, as in older releases."""
    several_captions: Annotated[bool, Field(exclude_if=lambda several: not several)] = False
    """Whether samples say a list of captions with weights, beside the one in `txt`."""

    @property
    def captioners(self) -> tuple[CaptionsBy, ...]:
        """All whose captions are released; that of `captions`, which has the weight 1, first."""
        first = CaptionsBy(instrument=self.captions, see_pixels=self.captions_see_pixels, weight=1.0)
        return (first, *self.also)

    @property
    def metric_names(self) -> list[str]:
        """The metrics that rules may ask for."""
        return [name for name, _ in self.metrics]


def read_rows(
    part: PackPart, store: Store, instruments: Instruments, columns: list[str] | None = None, *, keep: bool = False
) -> pa.Table:
    """Return these columns (all by default) of the joined rows of a pack, words as dictionaries.

    They are joined anew unless they were kept; with `keep` they are kept now. A column `said:<name>` is one of the
    records themselves, and not kept.
    """
    if columns is not None and any(name.startswith(SAID) for name in columns):
        joined = [name for name in columns if not name.startswith(SAID)]
        rows = read_rows(part, store, instruments, joined, keep=keep)
        record_columns = [name.removeprefix(SAID) for name in columns if name.startswith(SAID)]
        records = part.read_records(store, record_columns)
        for name in record_columns:
            rows = rows.append_column(f"{SAID}{name}", records[name])
        return rows
    path = rows_path(part, store, instruments)
    if store.exists(path):
        with suppress(StorageError):  # what is damaged is joined again
            return store.read_scratch(path, columns)
    rows = _joined(part, store, instruments)
    for name in WORDS:
        rows = rows.set_column(rows.schema.get_field_index(name), name, pc.dictionary_encode(rows[name]))
    if keep:
        store.write_scratch(path, rows)
    return rows if columns is None else rows.select(columns)


def rows_path(part: PackPart, store: Store, instruments: Instruments) -> str:
    """Where the joined rows of a pack lie, as far as it was fetched and measured by now."""
    fetched = num_pack_segments(store, part.pack)
    facts = [[table.folder, table.num_segments(part.pack)] for table in _tables(store, instruments)]
    checked = sorted(num_segments(store, part.pack).items())
    made_by: list[object] = [
        instruments.captions,
        instruments.captions_see_pixels,
        instruments.safety,
        *instruments.metrics,
    ]
    made_by += [[captioner.instrument, captioner.see_pixels, captioner.weight] for captioner in instruments.also]
    made_by += ["several"] if instruments.several_captions else []
    made_by += [] if instruments.language is None else [f"language by {instruments.language}"]
    inputs = [ROWS_VERSION, str(ROW_SCHEMA), part.records_path, made_by, fetched, facts, checked]
    return f"{layout.ROWS}/{part.pack}-{digest_of(inputs)[:16]}.arrow"


def _tables(store: Store, instruments: Instruments) -> list[FactTable]:
    tables = [hash_facts(store), quality_facts(store)]
    tables += [caption_facts(store, captioner.instrument) for captioner in instruments.captioners]
    tables += [] if instruments.safety is None else [safety_facts(store, instruments.safety)]
    return tables + [metric_facts(store, name, instrument) for name, instrument in instruments.metrics]


def _joined(part: PackPart, store: Store, instruments: Instruments) -> pa.Table:
    stated_columns = ["record_id", "license_claims", "creator", "creator_url", "title", "landing_url", "url"]
    records = part.read_stated(store, [*stated_columns, "retrieved_at", "text_sha256"])
    measured = ["outcome", "consent", "original_width", "original_height", "final_url"]
    wanted = dict.fromkeys([*measured, *INDEX_COLUMNS, "stored_sha256", "size"])
    index = read_rows_of(store, part.pack, records, list(wanted))
    sha256 = pc.if_else(pc.equal(index["outcome"], str(Outcome.FETCHED)), index["key"], pa.scalar(None, pa.string()))
    hashes = _measures_at(hash_facts(store), part, sha256, ["phash256", "pixels", "colors", "views"])
    turned, trimmed = split_views(hashes["views"])
    quality = _measures_at(quality_facts(store), part, sha256, QUALITY_COLUMNS)
    nsfw: pa.Array | pa.ChunkedArray = pa.nulls(len(records), pa.float64())
    if instruments.safety is not None:
        nsfw = _facts_at(safety_facts(store, instruments.safety), part, sha256, ["nsfw"])["nsfw"]
    captions = shipped_captions(
        part,
        store,
        instruments.captioners,
        sha256=sha256,
        text_sha256=records["text_sha256"],
        several=instruments.several_captions,
    )
    sample = {name: records[name] for name in ("record_id", *RECORD_COLUMNS)}
    sample |= {name: index[name] for name in (*INDEX_COLUMNS, "stored_sha256")}
    sample |= captions
    findings = newest_findings(store, part.pack, records)
    columns = {
        **{name: findings[name] for name in NEWEST_COLUMNS},
        **{name: records[name] for name in ("record_id", "license_claims", "retrieved_at", "text_sha256")},
        **{name: index[name] for name in measured},
        **{name: hashes[name] for name in ("phash256", "pixels", "colors")},
        **{name: quality[name] for name in QUALITY_COLUMNS},
        "turned": turned,
        "trimmed": trimmed,
        "sha256": sha256,
        "nsfw": nsfw,
        "lacks": pa.array(lacks(records)),
        "creator": pa.array(_creators(part.source, records)),
        "caption_characters": pc.utf8_length(captions["caption"]).cast(pa.int32()),
        "caption_flags": _flags(captions["caption"], records["creator"], records["title"]),
        "caption_words": _words_of(captions["caption"]),
        "caption_agreement": agreement(captions, instruments.captions),
        **_languages(captions["caption"], instruments),
        "json_bytes": pa.array(json_bytes(sample)),
        "other_bytes": pa.array(other_bytes(pc.fill_null(index["size"], 0).to_numpy(), captions["caption"])),
    }
    rows = pa.table({name: columns[name] for name in ROW_SCHEMA.names}, schema=ROW_SCHEMA)
    for name, instrument in instruments.metrics:
        measured_by = metric_facts(store, name, instrument)
        rows = rows.append_column(f"{METRIC}{name}", _facts_at(measured_by, part, sha256, ["value"])["value"])
    return rows


def _facts_at(facts: FactTable, part: PackPart, keys: pa.ChunkedArray, columns: list[str]) -> pa.Table:
    """Return one row of facts for each of `keys`, nulls where there is none."""
    table = facts.read(part.pack, columns)
    return table.take(pc.index_in(keys, value_set=table[facts.key]))


def _measures_at(facts: FactTable, part: PackPart, keys: pa.ChunkedArray, columns: list[str]) -> pa.Table:
    """The same of measures: what was measured has them all. Raises `CorpusError`: a picture without a hash is no copy
    of anything, and would be passed over in silence."""
    table = facts.read(part.pack, columns)
    for name in columns:
        if name not in table.column_names or table[name].null_count:
            raise _damaged(facts, part, f"{name} is missing")
    if "views" in columns:
        try:
            split_views(table["views"])
        except ValueError as error:
            raise _damaged(facts, part, str(error)) from error
    return table.take(pc.index_in(keys, value_set=table[facts.key]))


def _damaged(facts: FactTable, part: PackPart, what: str) -> CorpusError:
    where = facts.store.url(f"{facts.folder}/{part.pack}.*.parquet")
    return CorpusError(f"{where} are damaged ({what}); delete these files and build again")


def lacks(records: pa.Table) -> npt.NDArray[np.int8]:
    """Return which parts of a credit each record lacks, as bits, from its `LACKS_COLUMNS` as stated."""
    lacked_bits = np.zeros(len(records), np.int8)
    for bit, columns in enumerate(CREDIT_COLUMNS.values()):
        blank = np.ones(len(records), np.bool_)
        for name in columns:
            blank &= is_blank(stated(records[name], is_nowhere) if name == "url" else records[name]).to_numpy()
        lacked_bits |= blank.astype(np.int8) << bit
    return lacked_bits


def _flags(captions: pa.ChunkedArray, creators: pa.ChunkedArray, titles: pa.ChunkedArray) -> pa.Array:
    """Return what is wrong with each caption, as `catalog.caption_flags` tells it."""
    rows = zip(captions.to_pylist(), creators.to_pylist(), titles.to_pylist(), strict=True)
    flags = [None if text is None else caption_flags(text, who or "", title or "") for text, who, title in rows]
    return pa.array(flags, pa.int32())


def _words_of(captions: pa.ChunkedArray) -> pa.Array:
    """Return a number for the words of each caption, in their order; `NO_WORDS` for none."""

    def number(text: str) -> int:
        words = words_of(text)
        return int(sha256_hex(" ".join(words).encode())[:16], 16) if words else NO_WORDS

    texts = captions.combine_chunks().dictionary_encode()
    return pa.array(map(number, texts.dictionary.to_pylist()), pa.uint64()).take(texts.indices)


def _languages(captions: pa.ChunkedArray, instruments: Instruments) -> dict[str, pa.Array]:
    names = ("caption_language", "caption_language_score")
    kinds = [ROW_SCHEMA.field(name).type for name in names]
    if instruments.language is None:
        return {name: pa.nulls(len(captions), kind) for name, kind in zip(names, kinds, strict=True)}
    texts = captions.combine_chunks().dictionary_encode()
    languages = languages_of(texts.dictionary.to_pylist())
    return {
        name: pa.array(values, kind).take(texts.indices)
        for name, values, kind in zip(names, languages, kinds, strict=True)
    }


def _creators(source: str, records: pa.Table) -> npt.NDArray[np.uint64]:
    stated_creators = [pc.if_else(is_blank(records[name]), None, records[name]) for name in ("creator_url", "creator")]
    who = pc.dictionary_encode(pc.coalesce(*stated_creators, pa.scalar(""))).combine_chunks()
    names = who.dictionary.to_pylist()
    numbers = [int(sha256_hex(f"{source} {name.strip()}".encode())[:16], 16) if name else NOBODY for name in names]
    return np.asarray(np.array(numbers, np.uint64)[who.indices.to_numpy()], np.uint64)
