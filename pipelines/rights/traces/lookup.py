"""Find the records of a corpus by what one may know of a picture: id, URL, digest, looks, creator, domain.

Each look-up gives record ids, sorted, with the part that holds the record, as `scanning` says.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.corpora.corpus import read_settings
from byline.catalog.corpora.facts import FactTable
from byline.catalog.corpora.packs import read_attempts
from byline.catalog.corpora.parts import PackPart, parts_of
from byline.catalog.corpora.records import pack_of
from byline.catalog.corpora.url_index import URL_COLUMNS, row_groups_of
from byline.catalog.denylists.values import canonical, hosts_of
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError, CorpusError
from byline.catalog.text import in_form
from byline.catalog.threads import in_threads
from byline.catalog.urls import creator_key, url_key, with_scheme
from byline.pipelines.rights.traces.scanning import (
    Mask,
    PartsByRecord,
    all_parts,
    any_of,
    by_attempts,
    packs_of,
    placed_in,
    runs_of,
    scan,
)

if TYPE_CHECKING:
    from byline.pipelines.facts.likeness import Likeness

RADIUS_BITS = 12
"""Distance up to which a picture counts as a copy, unless the caller says otherwise."""
AS_IT_IS = "upright"
"""The view of a picture that needs no other (`dedup.views.KIND_NAMES`)."""
_PLAIN_HOST = r"^[a-z][a-z0-9+.-]*://(?:[a-z0-9_-]+\.)*[a-z][a-z0-9-]*\.?(?::[0-9]*)?(?:[/?#]|$)"
"""URLs whose host is written in its one form, but for its case."""


class FoundPicture(NamedTuple):
    """A record of a picture."""

    part: PackPart
    distance_bits: int
    view: str
    """How the two must be looked at to be that near: see `pipelines.facts.likeness.Likeness`."""


def find_record(store: Store, record_id: str) -> PartsByRecord:
    """Find a record by its id. Reads the ids of one pack of each run of its source."""
    source = record_id.partition(":")[0]
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", source):
        return {}
    num_packs = read_settings(store).get("num_packs", {}).get(source)
    for path in runs_of(store, source):
        parts = parts_of(store, path)
        # Without settings: a pack without records has no row group, so the last one may be missing.
        likely = num_packs or 1 + max((int(part.pack.rsplit("-", 1)[1]) for part in parts), default=0)
        pack = pack_of(record_id, source=source, num_packs=likely)
        named = [part for part in parts if part.pack == pack]
        for part in named if num_packs else [*named, *(part for part in parts if part.pack != pack)]:
            if pc.any(pc.equal(part.read_records(store, ["record_id"])["record_id"], record_id)).as_py():
                return {record_id: part}
    return {}


def find_url(store: Store, url: str) -> PartsByRecord:
    """Find the records whose picture's URL or page is this one, or led there, equal as `catalog.urls.url_key` says.

    A URL may lack its scheme, as browsers show it (`catalog.urls.with_scheme`).
    Reads the URL index and the few packs that it names, or all records of a run without an index; and, of all indices
    of packs, where redirects led.
    """
    if not url:
        return {}
    url = with_scheme(url)
    key = url_key(url)
    parts: list[PackPart] = []
    for source in store.folders(layout.RECORDS):
        for path in runs_of(store, source):
            in_run = parts_of(store, path)
            groups = row_groups_of(store, path, url)
            parts += in_run if groups is None else [in_run[number] for number in groups]

    def has_url(rows: pa.Table) -> Mask:
        return any_of(_has_key(rows[name], key) for name in URL_COLUMNS)

    led_there = by_attempts(store, ["final_url"], lambda rows: _has_key(rows["final_url"], key))
    return dict(sorted({**led_there, **scan(store, parts, list(URL_COLUMNS), has_url)}.items()))


def find_sha256(store: Store, sha256: str) -> PartsByRecord:
    """Find the records whose picture had these bytes, as fetched or as stored, at any attempt. Reads all indices."""
    columns = ["sha256", "stored_sha256"]

    def has_digest(rows: pa.Table) -> Mask:
        return any_of(pc.equal(rows[name], sha256.lower()) for name in columns)

    return by_attempts(store, columns, has_digest)


def find_picture(store: Store, data: bytes, radius_bits: int = RADIUS_BITS) -> dict[str, FoundPicture]:
    """Find the records of a picture, given as the bytes of a file, and how near each is.

    The distance is 0 for equal bytes and for equal pixels once stored, otherwise that of the 256-bit perceptual hashes
    of luminance: a copy in other colors is found too, and one that is mirrored, turned by quarters or framed. A flat
    picture has no hash worth the name and is found only by equal pixels. Raises a `BylineError` for bytes that are no
    picture and that no record had.
    """
    same = find_sha256(store, sha256_hex(data))
    exact = {record_id: FoundPicture(part, 0, AS_IT_IS) for record_id, part in same.items()}
    try:
        near = _likenesses(store, data, radius_bits)
    except BylineError:
        if exact:
            return exact
        raise
    by_pack: dict[str, dict[str, Likeness]] = {}
    for pack, look_alike in near:
        known = by_pack.setdefault(pack, {})
        known[look_alike.sha256] = min(look_alike, known.get(look_alike.sha256, look_alike), key=_nearness)
    parts, pictures = all_parts(store), exact
    for pack, likeness in by_pack.items():
        rows = read_attempts(store, pack, ["record_id", "sha256"])
        rows = rows.filter(pc.is_in(rows["sha256"], value_set=pa.array(sorted(likeness)))).to_pylist()
        nearest: dict[str, Likeness] = {}
        for row in rows:
            look_alike = likeness[row["sha256"]]
            nearest[row["record_id"]] = min(look_alike, nearest.get(row["record_id"], look_alike), key=_nearness)
        for record_id, part in placed_in(store, parts, {pack: list(nearest)}).items():
            look_alike = nearest[record_id]
            pictures.setdefault(record_id, FoundPicture(part, look_alike.distance_bits, look_alike.view))
    return dict(sorted(pictures.items()))


def find_creator(store: Store, name_or_url: str) -> PartsByRecord:
    """Find the records of a creator, by page or by name, equal as `catalog.urls.creator_key` says."""
    key = creator_key(name_or_url)
    column = "creator_url" if "://" in name_or_url else "creator"

    def is_theirs(rows: pa.Table) -> Mask:
        encoded = pc.dictionary_encode(rows[column]).combine_chunks()
        theirs = [number for number, name in enumerate(encoded.dictionary.to_pylist()) if creator_key(name) == key]
        return pc.is_in(encoded.indices, pa.array(theirs, encoded.indices.type))

    return scan(store, all_parts(store), [column], is_theirs) if key else {}


def creators_holding(store: Store, part: str) -> dict[str, int]:
    """Return the creators whose name or page holds this text, each with how many records they have; the most first.

    Neither case nor accents count, nor how white space is written. A record of a page that holds it counts for its
    name, or for the page where it has none.
    """
    sought = _bare(part)
    counts: Counter[str] = Counter()

    def holding(part: PackPart) -> Counter[tuple[str | None, str | None, str]]:
        rows = part.read_records(store, ["creator", "creator_url", "record_id"])
        held = [_holds(rows[name], sought) for name in ("creator", "creator_url")]
        chosen = rows.filter(any_of(held))
        return Counter(zip(*(column.to_pylist() for column in chosen.columns), strict=True))

    parts, known = all_parts(store) if sought else [], set[str]()
    for holders in in_threads(holding, parts):
        for name, page, record_id in holders:
            if record_id not in known:  # several runs of a source have it
                known.add(record_id)
                counts[name or page or ""] += 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _holds(column: pa.ChunkedArray, sought: str) -> Mask:
    words = pc.dictionary_encode(column).combine_chunks()
    there = [number for number, name in enumerate(words.dictionary.to_pylist()) if sought in _bare(name)]
    return pc.is_in(words.indices, pa.array(there, words.indices.type))


def _bare(name: str) -> str:
    """Return a text without its case, its accents and its spacing."""
    letters = in_form("NFKD", name).casefold()
    return " ".join("".join(letter for letter in letters if not unicodedata.combining(letter)).split())


def find_domain(store: Store, host: str) -> PartsByRecord:
    """Find the records whose picture or page lies on this host or on one below it (`b.org` finds `a.b.org`).

    Hosts are compared in their one form: case, full-width letters, punycode, ports and a final dot do not count.
    """
    wanted = canonical("domain", host)
    labels = re.escape(wanted)
    pattern = rf"^[a-z][a-z0-9+.-]*://(?:[^/?#]*@)?(?:[^/?#@:]+\.)?{labels}\.?(?::[0-9]*)?(?:[/?#]|$)"

    def is_there(rows: pa.Table) -> Mask:
        return any_of(_lies_on(rows[name], wanted, pattern) for name in URL_COLUMNS)

    return scan(store, all_parts(store), list(URL_COLUMNS), is_there) if wanted else {}


def _lies_on(urls: pa.ChunkedArray, host: str, pattern: str) -> Mask:
    """Tell which URLs lie on a host. Those whose host may be written in another form are looked at one by one."""
    on_host = pc.match_substring_regex(urls, pattern, ignore_case=True)
    plain = pc.match_substring_regex(urls, _PLAIN_HOST, ignore_case=True)
    return _or_one_by_one(urls, on_host, pc.invert(plain), lambda url: host in hosts_of(url))


def _nearness(likeness: "Likeness") -> tuple[int, bool]:
    return likeness.distance_bits, likeness.view != AS_IT_IS


def _has_key(urls: pa.ChunkedArray, key: str) -> Mask:
    """Tell which URLs have this key."""
    none = pa.scalar(False)
    return _or_one_by_one(urls, none, pc.is_valid(urls), lambda url: url_key(url) == key)


def _or_one_by_one(
    urls: pa.ChunkedArray, mask_so_far: Mask | pa.Scalar, may: Mask, wanted: Callable[[str], bool]
) -> Mask:
    """Add to what was found those of the others that may be, and are, wanted."""
    may = pc.fill_null(may, False).to_numpy(zero_copy_only=False)
    places = np.flatnonzero(may)
    mask = np.zeros(len(urls), np.bool_)
    mask[places] = [wanted(url) for url in urls.take(pa.array(places)).to_pylist()]
    return pc.or_(pa.array(mask), pc.fill_null(mask_so_far, False))


def _likenesses(store: Store, data: bytes, radius_bits: int) -> list[tuple[str, "Likeness"]]:
    """Return, with their packs, all measured pictures that look like this one."""
    from byline.pictures.pixels import UnusableError, store_image
    from byline.pipelines.facts.likeness import PackLooks
    from byline.pipelines.facts.looks import look_of
    from byline.pipelines.facts.measures import HASH_SCHEMA

    pixels = read_settings(store).get("pixels")
    if pixels is None:
        raise CorpusError(f"{store.url(layout.CORPUS_FILE)} is missing: it says how pictures were stored; restore it")
    try:
        look = look_of(store_image(data, **pixels).data)
    except UnusableError as error:
        raise BylineError(f"no picture that byline can read ({error}); is it the right file?") from error
    instruments = store.folders(layout.facts_of("hashes"))
    tables = [FactTable(store=store, measure="hashes", instrument=name, schema=HASH_SCHEMA) for name in instruments]
    work = [(table, pack) for table in tables for pack in packs_of(all_parts(store))]

    def like(both: tuple[FactTable, str]) -> list[tuple[str, "Likeness"]]:
        return [(both[1], likeness) for likeness in PackLooks(*both).like(look, radius_bits)]

    return [alike for alikes in in_threads(like, work) for alike in alikes]
