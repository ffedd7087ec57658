"""What the first pass of a judgement keeps of each pack: what may stand for others, or be stood for.

Most pictures are alone, which their hashes tell at once; of these it keeps a few bytes.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.denylists.denylist import Denylist
from byline.catalog.policies.policy import Policy
from byline.catalog.policies.rules import Mask
from byline.dedup.views import ALL_VIEWS, VIEW_BYTES, packed_views, rows_of_views, unpack_views
from byline.pipelines.facts.edges import Suspects, as_bytes, first_word, first_words
from byline.pipelines.facts.evaluation_sets import EvaluationSets
from byline.pipelines.judging.placeholders import Recurring
from byline.pipelines.judging.resolving import CANDIDATE_SCHEMA, caps_of
from byline.pipelines.judging.screening import Screened

KEPT_COLUMNS = ("sha256", "phash256", "pixels", "colors", "retrieved_at", "record_id", "creator", *ALL_VIEWS)
"""What is read of `pipelines.facts.rows.ROW_SCHEMA`, beside what is screened."""
SAME = ("record_id", "sha256", "sharpness", "retrieved_at", "colors")
COMPARED = [*SAME, "flatness", "original_width", "original_height", "pixels", "phash256"]
"""What candidates are compared by."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the first pass keeps of a pack."""

    screened: Screened
    recurring: Recurring
    """Every picture that the claims admit, whatever else speaks against it."""
    candidate_rows: npt.NDArray[np.int64]
    candidates: pa.Table
    capped: dict[str, npt.NDArray[np.uint64]]
    """What the policy caps -> of every admitted row the number of whose it is, or of what it says."""
    digests: npt.NDArray[np.uint64]
    """The first word of the digest of every admitted picture, when the policy caps anything."""


def keep(rows: pa.Table, screened: Screened, policy: Policy, suspects: Suspects, similar: Suspects) -> Kept:
    """Return what must be kept of the rows of a pack until all packs are screened. It holds none of their buffers.

    `suspects` are of hashes, `similar` of digests that an embedding finds alike.
    """
    is_picture = screened.claims.reasons.admitted & rows["pixels"].is_valid().to_numpy()
    pictures = np.flatnonzero(is_picture | screened.reasons.admitted)
    digests = first_word(rows["sha256"])
    has_suspect = suspects.has(first_words(rows["phash256"]))
    for name in ALL_VIEWS:
        view_rows, _, codes, _ = unpack_views(rows[name])
        has_suspect[view_rows[suspects.has(codes.view("<u8")[:, 0])]] = True
    has_suspect |= similar.has(digests)
    suspected = pictures[has_suspect[pictures] | _recurs(digests[pictures])]
    shown = suspected[is_picture[suspected]]
    admitted = np.flatnonzero(screened.reasons.admitted)
    chosen = suspected[screened.reasons.admitted[suspected]]
    return Kept(
        screened=screened,
        recurring=Recurring(
            rows=shown,
            pixels=first_word(rows["pixels"].take(pa.array(shown))),
            creators=rows["creator"].to_numpy()[shown],
        ),
        candidate_rows=chosen,
        candidates=_candidates(rows.select([*COMPARED, *ALL_VIEWS]).take(pa.array(chosen)), screened, chosen, policy),
        capped={column: pc.fill_null(rows[column], 0).to_numpy()[admitted] for column, _, _ in caps_of(policy)},
        digests=digests[admitted] if policy.caps else np.zeros(0, np.uint64),
    )


def without(kept: Kept, placeholders: npt.NDArray[np.int64]) -> Kept:
    """Leave placeholders out of the candidates: none stands for another picture."""
    if not len(placeholders):
        return kept
    is_left = np.isin(kept.candidate_rows, placeholders, invert=True)
    return replace(kept, candidate_rows=kept.candidate_rows[is_left], candidates=kept.candidates.filter(is_left))


def denied_rows(rows: pa.Table, asked: Mask, denylist: Denylist, policy: Policy) -> Mask:
    """Return which records that the claims admit were taken down: themselves, where they led, or their pictures.

    These are looked at in every way that the denylist sees, whatever the policy counts as a copy.
    """
    denied = np.zeros(len(rows), np.bool_)
    for kind, name in (("record", "record_id"), ("sha256", "sha256"), ("pixels", "pixels")):
        there = np.flatnonzero(asked & rows[name].is_valid().to_numpy())
        denied[there] |= denylist.denied(kind, rows[name].take(pa.array(there)).to_pylist())
    if denylist.sees_urls:
        led = np.flatnonzero(asked & rows["final_url"].is_valid().to_numpy())
        urls = rows["final_url"].take(pa.array(led)).to_pylist()
        denied[led] |= np.array([denylist.denies_url(url) for url in urls], np.bool_)
    is_flat = pc.fill_null(pc.greater_equal(rows["flatness"], policy.duplicates.flat_from), True).to_numpy()
    hashed = np.flatnonzero(asked & ~is_flat & rows["phash256"].is_valid().to_numpy())
    denied[hashed] |= denylist.near(as_bytes(rows["phash256"].take(pa.array(hashed))))
    for name in ALL_VIEWS if denylist.sees_views else ():
        view_rows, _, codes, _ = unpack_views(rows[name].take(pa.array(hashed)))
        denied[hashed[view_rows[denylist.near(codes, are_views=True)]]] = True
    return denied


def contaminated_rows(rows: pa.Table, asked: Mask, evaluation: EvaluationSets, policy: Policy) -> Mask:
    """Return which records that the claims admit have pictures that something is measured with.

    They are looked at in every way, whatever the policy counts as a copy: a mirrored exercise is one, too.
    """
    there = pa.array(np.flatnonzero(asked & rows["pixels"].is_valid().to_numpy()))
    shown = rows.select(["phash256", "pixels", "flatness", *ALL_VIEWS]).take(there)
    is_flat = pc.greater_equal(shown["flatness"], policy.duplicates.flat_from).to_numpy()
    is_contaminated = np.zeros(len(rows), np.bool_)
    views = pa.chunked_array([_views(shown)])
    is_contaminated[there.to_numpy()] = evaluation.contaminated(
        as_bytes(shown["phash256"]), views, is_flat, shown["pixels"]
    )
    return is_contaminated


def _recurs(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    ordered = np.sort(numbers)
    return np.isin(numbers, ordered[1:][ordered[1:] == ordered[:-1]])


def _candidates(rows: pa.Table, screened: Screened, chosen: npt.NDArray[np.int64], policy: Policy) -> pa.Table:
    is_flat = pc.greater_equal(rows["flatness"], policy.duplicates.flat_from)
    licenses = pa.array(screened.claims.licenses, pa.string()).take(pa.array(screened.claims.read.codes[chosen]))
    sizes = [rows[name].cast(pa.float64()) for name in ("original_width", "original_height")]
    columns = {
        **{name: rows[name] for name in SAME},
        "license": licenses,
        "pixels": pc.multiply(*sizes),
        "views": pc.if_else(is_flat, pa.scalar(None, pa.binary()), _views(rows)),
        "code": pc.if_else(is_flat, rows["pixels"].cast(pa.binary()), rows["phash256"].cast(pa.binary())),
    }
    return pa.table({name: columns[name] for name in CANDIDATE_SCHEMA.names}, schema=CANDIDATE_SCHEMA)


def _views(rows: pa.Table) -> pa.Array:
    """Return all views of each row, packed."""
    unpacked = [rows_of_views(rows[name]) for name in ALL_VIEWS]
    row_V = np.concatenate([np.zeros(0, np.int64), *(row for row, _ in unpacked)])
    views_V = np.concatenate([np.zeros((0, VIEW_BYTES), np.uint8), *(views for _, views in unpacked)])
    order = np.argsort(row_V, kind="stable")
    return packed_views(row_V[order], views_V[order], len(rows))
