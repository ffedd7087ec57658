import pytest

from catalog.policy import DuplicateRules, LicenseRules, Policy
from pipelines.stages.judge import judge

POLICY = Policy(
    license=LicenseRules(families=("CC0", "CC-BY")),
    duplicates=DuplicateRules(radius_bits=10, max_luma_distance=60, max_chroma_distance=20),
)
CODES = [bytes([i]) * 32 for i in range(9)]
NEUTRAL = b"\x80" * 48


def a_row(number, **overrides):
    row = {
        "record_id": f"s:{number}",
        "pack": "s-00000",
        "license": "CC-BY-4.0",
        "license_rule": "url",
        "license_seen": "",
        "claim_reasons": [],
        "outcome": "fetched",
        "sha256": f"{number:064x}",
        "original_width": 100,
        "original_height": 100,
        "sharpness": 10.0,
        "flatness": 0.2,
        "contrast": 0.2,
        "phash256": CODES[number],
        "colors": NEUTRAL,
        "pixels": f"pixels {number}",
        "caption": "a thing",
    }
    return {**row, **overrides}


def _reasons(rows, edges=()):
    return {v["record_id"]: list(v["reasons"]) for v in judge(rows, edges, POLICY)}


def test_a_record_with_nothing_against_it_is_admitted():
    (verdict,) = judge([a_row(1)], [], POLICY)
    assert verdict["admitted"]
    assert verdict["split"] in {"train", "heldout"}
    assert verdict["keeper_record_id"] == "s:1"


@pytest.mark.parametrize(
    ("overrides", "reasons"),
    [
        ({"claim_reasons": ["license:X"], "outcome": None, "sha256": None}, ["license:X"]),
        ({"outcome": "http-error", "sha256": None}, ["fetch:http-error"]),
        ({"original_width": 30, "original_height": 130}, ["image:too-small", "image:too-long"]),
        ({"caption": ""}, ["caption:missing"]),
        ({"claim_reasons": ["license:X"], "original_width": 30}, ["license:X", "image:too-small"]),
    ],
)
def test_every_reason_is_named(overrides, reasons):
    assert _reasons([a_row(1, **overrides)])["s:1"] == reasons


def test_of_equal_bytes_the_most_wanted_license_counts():
    rows = [a_row(1), a_row(2, sha256=f"{1:064x}", phash256=CODES[1], license="CC0-1.0")]
    assert _reasons(rows) == {"s:1": ["duplicate:same-bytes"], "s:2": []}


def test_a_record_of_equal_bytes_names_the_keeper_that_stays():
    rows = [a_row(1), a_row(2, sha256=f"{1:064x}", phash256=CODES[1]), a_row(3, original_width=200)]
    verdicts = {v["record_id"]: v for v in judge(rows, [(CODES[1], CODES[3], 4)], POLICY)}
    assert {v["keeper_record_id"] for v in verdicts.values()} == {"s:3"}
    assert (verdicts["s:2"]["reasons"], verdicts["s:2"]["distance_bits"]) == (["duplicate:same-bytes"], 4)


def test_of_near_pictures_the_larger_is_kept_whatever_the_order():
    rows = [a_row(1), a_row(2, original_width=200)]
    edges = [(CODES[1], CODES[2], 4)]
    for order in (rows, rows[::-1]):
        verdicts = {v["record_id"]: v for v in judge(order, edges, POLICY)}
        assert verdicts["s:1"]["reasons"] == ["duplicate:near"]
        assert (verdicts["s:1"]["keeper_record_id"], verdicts["s:1"]["distance_bits"]) == ("s:2", 4)


def test_a_refused_keeper_promotes_the_next():
    rows = [a_row(1), a_row(2, original_width=200, claim_reasons=["license:X"])]
    assert _reasons(rows, [(CODES[1], CODES[2], 4)])["s:1"] == []


def test_pictures_beyond_the_policys_radius_stay_apart():
    assert _reasons([a_row(1), a_row(2)], [(CODES[1], CODES[2], 12)]) == {"s:1": [], "s:2": []}


def test_pictures_of_other_colors_stay_apart():
    blue = a_row(2, phash256=CODES[1], colors=b"\x80\xf0\x10" * 16)
    assert _reasons([a_row(1), blue]) == {"s:1": [], "s:2": []}


def test_a_black_and_a_white_shape_stay_apart():
    white = a_row(2, phash256=CODES[1], colors=b"\xf0\x80\x80" * 16)
    assert _reasons([a_row(1), white]) == {"s:1": [], "s:2": []}


def test_flat_pictures_are_duplicates_of_equal_pixels_only():
    flat = {"phash256": CODES[1], "flatness": 0.99}
    rows = [a_row(1, **flat), a_row(2, **flat), a_row(3, **flat, pixels="pixels 1")]
    assert sorted(map(tuple, _reasons(rows).values())) == [(), (), ("duplicate:near",)]
