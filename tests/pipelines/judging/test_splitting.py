import numpy as np
import pyarrow as pa
import pytest

from byline.catalog.policies.policy import SplitRules
from byline.dedup.views import TRIMMED, TRIMMED_TURNED, TURNED, View, pack_views
from byline.pipelines.facts.measures import EDGE_SCHEMA
from byline.pipelines.judging.resolving import CANDIDATE_SCHEMA
from byline.pipelines.judging.splitting import choose_heldout

GRAY = b"\x80" * 48
CODES = [bytes([number]) * 32 for number in range(9)]
HELDOUT, TRAINED = "0" * 15, "f" * 15
"""First digits of digests that a split of half and half holds out, and that it does not."""
HALF = SplitRules(heldout_fraction=0.5, radius_bits=20)


def a_picture(number, side, code, *views, kind=TRIMMED):
    return {
        "record_id": f"s:{number}",
        "sha256": f"{side}{number}" + "0" * 48,
        "license": "CC0-1.0",
        "pixels": 1.0,
        "sharpness": 1.0,
        "retrieved_at": None,
        "code": CODES[code],
        "colors": GRAY,
        "views": pack_views([View(kind=kind, code=CODES[view], colors=GRAY) for view in views]),
    }


def _alike(pictures, edges=(), rules=HALF):
    pairs = pa.Table.from_pylist(
        [dict(zip(EDGE_SCHEMA.names, (CODES[a], CODES[b], bits), strict=True)) for a, b, bits in edges], EDGE_SCHEMA
    )
    found = choose_heldout(pa.Table.from_pylist(pictures, CANDIDATE_SCHEMA), np.arange(len(pictures)), pairs, rules)
    return found.is_heldout.tolist(), found.near_left.tolist()


def test_pictures_that_are_alone_go_by_their_digests():
    assert _alike([a_picture(1, HELDOUT, 1), a_picture(2, TRAINED, 2)]) == ([True, False], [0, 0])


def test_what_looks_like_a_trained_picture_is_not_held_out():
    pictures = [a_picture(1, HELDOUT, 1), a_picture(2, TRAINED, 2)]
    assert _alike(pictures, [(1, 2, 20)]) == ([False, False], [1, 1])
    assert _alike(pictures, [(1, 2, 21)]) == ([True, False], [0, 0])


def test_a_group_of_which_every_digest_says_so_is_held_out():
    assert _alike([a_picture(1, HELDOUT, 1), a_picture(2, HELDOUT, 1)]) == ([True, True], [1, 1])


def test_pictures_that_others_link_are_on_one_side():
    pictures = [a_picture(1, HELDOUT, 1), a_picture(2, HELDOUT, 2), a_picture(3, TRAINED, 3)]
    assert _alike(pictures, [(1, 2, 9), (2, 3, 9)]) == ([False] * 3, [1, 2, 1])


@pytest.mark.parametrize("kind", [TURNED, TRIMMED, TRIMMED_TURNED])
def test_views_link_too_and_do_not_count_as_copies_left(kind):
    pictures = [a_picture(1, HELDOUT, 1, 3, kind=kind), a_picture(2, TRAINED, 2)]
    assert _alike(pictures, [(2, 3, 4)]) == ([False, False], [0, 0])


def test_many_equal_hashes_are_counted_without_being_paired():
    pictures = [a_picture(1, TRAINED, 1)] * 50_000
    assert set(_alike(pictures)[1]) == {49_999}


def test_no_pictures_are_no_groups():
    assert _alike([]) == ([], [])


def test_what_is_refused_links_nothing():
    pictures = [a_picture(1, HELDOUT, 1), a_picture(2, TRAINED, 2), a_picture(3, HELDOUT, 3, 4)]
    pairs = pa.table([[CODES[1], CODES[2]], [CODES[2], CODES[4]], [9, 9]], EDGE_SCHEMA)
    found = choose_heldout(pa.Table.from_pylist(pictures, CANDIDATE_SCHEMA), np.array([2, 0]), pairs, HALF)
    assert (found.is_heldout.tolist(), found.near_left.tolist()) == ([True, True], [0, 0])


def test_no_column_of_contenders_ends_at_2_gib():
    assert not {pa.string(), pa.binary()} & set(CANDIDATE_SCHEMA.types)
