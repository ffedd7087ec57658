import json

import pyarrow as pa
import pytest

from byline.catalog.policies.policy import (
    CapRules,
    CaptionRules,
    DuplicateRules,
    LicenseRules,
    Policy,
    ReleaseRules,
    SplitRules,
)
from byline.dedup.views import TRIMMED, TRIMMED_TURNED, TURNED, View, pack_views
from byline.pipelines.facts.evaluation_sets import EVALUATION_SCHEMA, EvaluationList, EvaluationSets
from byline.pipelines.facts.measures import CODE_SCHEMA, EDGE_SCHEMA, SIMILAR_SCHEMA
from byline.pipelines.facts.rows import ROW_SCHEMA
from byline.pipelines.judging.judge import judge_packs
from byline.pipelines.judging.verdicts import Pack

POLICY = Policy(
    license=LicenseRules(families=("CC0", "CC-BY")),
    duplicates=DuplicateRules(radius_bits=10, max_luma_distance=60, max_chroma_distance=20, license_conflict="ignore"),
    release=ReleaseRules(obligations=("attribution",)),
)
QUARANTINE = POLICY.model_copy(
    update={"duplicates": POLICY.duplicates.model_copy(update={"license_conflict": "quarantine"})}
)
CODES = [bytes([i]) * 32 for i in range(9)]
NEUTRAL = b"\x80" * 48


def _said(text):
    return json.dumps([["license", text]])


NC = _said("CC BY-NC 4.0")
CC0 = _said("CC0 1.0")


def a_row(number, **overrides):
    row = {
        "record_id": f"s:{number}",
        "license_claims": _said("CC BY 4.0"),
        "lacks": 0,
        "creator": number,
        "outcome": "fetched",
        "sha256": f"{number:016x}" + "0" * 48,
        "original_width": 100,
        "original_height": 100,
        "sharpness": 10.0,
        "flatness": 0.2,
        "contrast": 0.2,
        "spread": 200,
        "phash256": CODES[number],
        "colors": NEUTRAL,
        "pixels": f"{number:016x}" + "f" * 48,
        "caption_characters": 7,
        "caption_flags": 0,
    }
    return {**row, **overrides}


def not_asked(number, **overrides):
    measured = (
        "outcome",
        "sha256",
        "phash256",
        "colors",
        "pixels",
        "caption_characters",
        "sharpness",
        "contrast",
        "spread",
    )
    return {**a_row(number), **dict.fromkeys(measured), **overrides}


def _judge(rows, edges=(), policy=POLICY, *, num_packs=1, recurring=(), **known):
    """Judge rows that lie in `num_packs` packs in turn; return the verdicts by record. Codes of views may recur too."""

    def pack(number):
        table = pa.Table.from_pylist(rows[number::num_packs], schema=ROW_SCHEMA)
        return Pack(name=f"s-{number:05d}", read=table.select)

    codes = [row["phash256"] for row in rows if row["phash256"]]
    recurring = sorted({*recurring, *(code for code in codes if codes.count(code) > 1)})
    pairs = pa.Table.from_pylist(
        [dict(zip(EDGE_SCHEMA.names, edge, strict=True)) for edge in edges], schema=EDGE_SCHEMA
    )
    packs = [pack(number) for number in range(num_packs)]
    judged = judge_packs(packs, pairs, pa.table({"phash256": recurring}, schema=CODE_SCHEMA), policy, **known)
    return {verdict["record_id"]: verdict for _, table in judged for verdict in table.to_pylist()}


def _reasons(rows, edges=(), policy=POLICY, **options):
    return {record_id: verdict["reasons"] for record_id, verdict in _judge(rows, edges, policy, **options).items()}


def test_a_record_with_nothing_against_it_is_admitted():
    verdict = _judge([a_row(1)])["s:1"]
    assert verdict["admitted"]
    assert (verdict["license"], verdict["license_rule"]) == ("CC-BY-4.0", "cc-name")
    assert verdict["split"] in {"train", "heldout"}
    assert verdict["keeper_record_id"] is None


@pytest.mark.parametrize(
    ("row", "reasons"),
    [
        (not_asked(1, license_claims=NC), ["license:CC-BY-NC-4.0"]),
        (not_asked(1, license_claims=NC, lacks=0b001), ["license:CC-BY-NC-4.0", "creator:missing"]),
        (not_asked(1, lacks=0b101), ["creator:missing", "source:missing"]),
        (not_asked(1), ["fetch:not-asked"]),
        (not_asked(1, outcome="http-error"), ["fetch:http-error"]),
        (a_row(1, original_width=30, original_height=130), ["image:too-small", "image:too-long"]),
        (a_row(1, consent='[["x-robots-tag","noai"]]'), ["consent:opted-out"]),
        (a_row(1, consent='[["c2pa","{\\"digitalSourceType\\":\\"trainedAlgorithmicMedia\\"}"]]'), ["image:synthetic"]),
        (a_row(1, consent='[["xmp:iptc4xmpext:DigitalSourceType","digitalCapture"]]'), []),
        (a_row(1, caption_characters=0), ["caption:missing"]),
        (a_row(1, caption_characters=None), ["caption:missing"]),
        (a_row(1, caption_characters=1), ["caption:too-short"]),
        (a_row(1, original_width=3, original_height=3, caption_characters=None), ["image:too-small"]),
    ],
)
def test_every_reason_is_named(row, reasons):
    assert _reasons([row])["s:1"] == reasons


def test_what_the_claims_refuse_is_judged_as_if_it_had_never_been_fetched():
    fetched_once = _judge([a_row(1, license_claims=NC, original_width=1), a_row(2)], [(CODES[1], CODES[2], 2)])
    assert fetched_once == _judge([not_asked(1, license_claims=NC), a_row(2)])
    assert fetched_once["s:1"]["sha256"] is None


def test_of_a_choice_of_licenses_the_verdict_names_the_one_that_is_used():
    choice = _said("GFDL or CC-BY-4.0")
    assert _judge([a_row(1, license_claims=choice)])["s:1"]["license"] == "CC-BY-4.0"


def test_of_equal_bytes_the_most_wanted_license_counts():
    rows = [a_row(1), a_row(2, sha256=a_row(1)["sha256"], phash256=CODES[1], license_claims=CC0)]
    verdicts = _judge(rows)
    assert [verdicts[i]["reasons"] for i in ("s:1", "s:2")] == [["duplicate:same-bytes"], []]
    assert (verdicts["s:1"]["keeper_record_id"], verdicts["s:1"]["distance_bits"]) == ("s:2", 0)


@pytest.mark.parametrize("num_packs", [1, 3])
def test_a_record_of_equal_bytes_names_the_keeper_that_stays(num_packs):
    rows = [a_row(1), a_row(2, sha256=a_row(1)["sha256"], phash256=CODES[1]), a_row(3, original_width=200)]
    verdicts = _judge(rows, [(CODES[1], CODES[3], 4)], num_packs=num_packs)
    assert {verdicts[i]["keeper_record_id"] for i in ("s:1", "s:2")} == {"s:3"}
    assert (verdicts["s:2"]["reasons"], verdicts["s:2"]["distance_bits"]) == (["duplicate:same-bytes"], 4)


def test_of_near_pictures_the_larger_is_kept_whatever_the_order():
    rows = [a_row(1), a_row(2, original_width=200)]
    edges = [(CODES[1], CODES[2], 4)]
    for order in (rows, rows[::-1]):
        verdicts = _judge(order, edges, num_packs=2)
        assert verdicts["s:1"]["reasons"] == ["duplicate:near"]
        assert (verdicts["s:1"]["keeper_record_id"], verdicts["s:1"]["distance_bits"]) == ("s:2", 4)


@pytest.mark.parametrize(
    ("order", "refused"),
    [(("license", "pixels"), "s:1"), (("pixels", "license"), "s:2"), (("earliest",), "s:3"), (("sharpness",), "s:4")],
)
def test_the_policy_orders_keepers(order, refused):
    rows = [
        a_row(1, original_width=200),
        a_row(2, license_claims=CC0),
        a_row(3, retrieved_at="2020-01-02"),
        a_row(4, sharpness=99.0, retrieved_at="2020-01-01"),
    ]
    rows = [rows[0], rows[1]] if order[0] in ("license", "pixels") else [rows[2], rows[3]]
    if order == ("sharpness",):
        rows[0]["sharpness"], refused = 999.0, "s:4"
    edges = [(a["phash256"], b["phash256"], 4) for a, b in [rows]]
    rules = POLICY.duplicates.model_copy(update={"keeper_order": order})
    reasons = _reasons(rows, edges, POLICY.model_copy(update={"duplicates": rules}))
    assert [record_id for record_id, why in reasons.items() if why] == [refused]


def test_a_refused_keeper_promotes_the_next():
    rows = [a_row(1), a_row(2, original_width=200, license_claims=NC)]
    assert _reasons(rows, [(CODES[1], CODES[2], 4)])["s:1"] == []


def test_pictures_beyond_the_policys_radius_stay_apart():
    assert _reasons([a_row(1), a_row(2)], [(CODES[1], CODES[2], 12)]) == {"s:1": [], "s:2": []}


@pytest.mark.parametrize(
    "colors", [b"\x80\xf0\x10" * 16, b"\xf0\x80\x80" * 16], ids=["another hue", "white, not black"]
)
def test_pictures_of_other_colors_stay_apart(colors):
    assert _reasons([a_row(1), a_row(2, phash256=CODES[1], colors=colors)]) == {"s:1": [], "s:2": []}


def test_flat_pictures_are_duplicates_of_equal_pixels_only():
    flat = {"phash256": CODES[1], "flatness": 0.99}
    rows = [a_row(1, **flat), a_row(2, **flat), a_row(3, **flat, pixels=a_row(1)["pixels"])]
    assert sorted(map(tuple, _reasons(rows).values())) == [(), (), ("duplicate:near",)]


def test_copies_whose_licenses_ask_for_different_things_go_to_quarantine_together():
    rows = [a_row(1), a_row(2, license_claims=CC0), a_row(3)]
    edges = [(CODES[1], CODES[2], 4)]
    assert _reasons(rows, edges, QUARANTINE) == {
        "s:1": ["duplicate:near", "quarantine:license-conflict"],
        "s:2": ["quarantine:license-conflict"],
        "s:3": [],
    }
    two_versions = [a_row(1), a_row(2, license_claims=_said("CC BY 2.0"))]
    assert sorted(_reasons(two_versions, edges, QUARANTINE).values()) == [[], ["duplicate:near"]]


def test_a_cap_keeps_so_many_samples_of_a_creator_and_moves_no_others():
    policy = POLICY.model_copy(update={"caps": CapRules(max_per_creator=2)})
    rows = [a_row(i, creator=7) for i in range(1, 6)] + [a_row(6, creator=8)]
    reasons = _reasons(rows, policy=policy, num_packs=3)
    assert sorted(i for i, why in reasons.items() if not why) == ["s:1", "s:2", "s:6"]
    assert reasons["s:4"] == ["cap:creator"]
    assert _reasons(rows[1:], policy=policy)["s:3"] == []


def test_a_cap_keeps_so_many_samples_of_a_caption():
    policy = POLICY.model_copy(update={"caps": CapRules(max_per_caption=2)})
    rows = [a_row(i, caption_words=2**63 + 7) for i in range(1, 5)]
    rows += [a_row(5, caption_words=2**63 + 8), not_asked(6), a_row(7, caption_words=0), a_row(8, caption_words=0)]
    reasons = _reasons([*rows, a_row(0, caption_words=0)], policy=policy, num_packs=3)
    assert {number for number in range(9) if reasons[f"s:{number}"] == ["cap:caption"]} == {3, 4}
    assert reasons["s:6"] == ["fetch:not-asked"]


def test_what_one_hand_has_too_many_of_does_not_count_towards_the_cap_on_captions():
    policy = POLICY.model_copy(update={"caps": CapRules(max_per_creator=1, max_per_caption=1)})
    rows = [a_row(1, creator=7), a_row(2, creator=7, caption_words=9), a_row(3, caption_words=9)]
    assert _reasons(rows, policy=policy) == {"s:1": [], "s:2": ["cap:creator"], "s:3": []}


def test_captions_that_are_surely_in_another_language_are_refused():
    rules = CaptionRules(languages=("en", "de"))
    policy = POLICY.model_copy(update={"caption": rules})
    told = [("en", 0.9), ("fr", 0.9), ("fr", 0.4), (None, None), ("de", 0.5), ("nl", 0.5)]
    rows = [
        a_row(number, caption_language=language, caption_language_score=score)
        for number, (language, score) in enumerate(told)
    ]
    refused = {number for number in range(6) if _reasons(rows, policy=policy)[f"s:{number}"] == ["caption:language"]}
    assert refused == {1, 5}
    surer = POLICY.model_copy(update={"caption": rules.model_copy(update={"min_language_score": 0.3})})
    assert _reasons(rows, policy=surer)["s:2"] == ["caption:language"]
    assert not any(_reasons(rows).values())


def test_captions_that_are_too_long_are_refused():
    policy = POLICY.model_copy(update={"caption": CaptionRules(max_characters=7)})
    reasons = _reasons([a_row(1, caption_characters=7), a_row(2, caption_characters=8)], policy=policy)
    assert reasons == {"s:1": [], "s:2": ["caption:too-long"]}
    assert _reasons([a_row(1, caption_characters=8)]) == {"s:1": []}


def test_captions_that_no_other_captioner_agrees_with_are_refused():
    policy = POLICY.model_copy(update={"caption": CaptionRules(min_agreement=0.25)})
    rows = [a_row(number, caption_agreement=agreement) for number, agreement in enumerate([0.0, 0.25, None, 1.0])]
    assert [why for _, why in sorted(_reasons(rows, policy=policy).items())] == [["caption:disagrees"], [], [], []]


def test_duplicates_do_not_count_towards_a_cap():
    policy = POLICY.model_copy(update={"caps": CapRules(max_per_creator=1)})
    rows = [a_row(1, creator=7), a_row(2, creator=7, original_width=200)]
    assert _reasons(rows, [(CODES[1], CODES[2], 4)], policy) == {"s:1": ["duplicate:near"], "s:2": []}


def test_a_source_has_rules_of_its_own():
    policy = Policy.model_validate({**POLICY.model_dump(), "sources": {"s": {"image": {"min_side_px": 128}}}})
    assert _reasons([a_row(1)], policy=policy)["s:1"] == ["image:too-small"]


def _seeing(*views):
    rules = POLICY.duplicates.model_copy(update={"views": views})
    return POLICY.model_copy(update={"duplicates": rules})


def _views(kind, code):
    return pack_views([View(kind=kind, code=CODES[code], colors=NEUTRAL)])


@pytest.mark.parametrize(
    ("views", "kind", "view"),
    [
        (("turned",), TURNED, "turned"),
        ((), TURNED, None),
        (("trimmed",), TRIMMED, "trimmed"),
        (("turned",), TRIMMED, None),
        (("trimmed",), TRIMMED_TURNED, None),
        (("turned", "trimmed"), TRIMMED_TURNED, "trimmed and turned"),
    ],
)
def test_a_copy_is_found_by_the_views_that_the_policy_looks_at(views, kind, view):
    column = "turned" if kind == TURNED else "trimmed"
    verdicts = _judge([a_row(1), a_row(2, **{column: _views(kind, 3)})], [(CODES[1], CODES[3], 4)], _seeing(*views))
    verdict = verdicts["s:2"]
    assert (verdict["keeper_record_id"], verdict["view"], verdict["distance_bits"]) == (
        ("s:1", view, 4) if view else (None, None, None)
    )


@pytest.mark.parametrize(("kind", "column"), [(TURNED, "turned"), (TRIMMED_TURNED, "trimmed")])
def test_what_is_turned_is_on_one_side_of_the_split_though_the_policy_keeps_both(kind, column):
    rows = [a_row(1, sha256="0" * 64), a_row(2, sha256="f" * 64, **{column: _views(kind, 3)})]
    policy = _seeing("trimmed").model_copy(update={"split": SplitRules(heldout_fraction=0.5, radius_bits=20)})
    verdicts = _judge(rows, [(CODES[1], CODES[3], 9)], policy, num_packs=2)
    assert [(one["keeper_record_id"], one["split"]) for one in verdicts.values()] == [(None, "train")] * 2
    assert _judge(rows[:1], [], policy)["s:1"]["split"] == "heldout"


def test_flat_pictures_have_no_views_that_count():
    rows = [a_row(1), a_row(2, flatness=0.99, turned=_views(TURNED, 3))]
    assert _reasons(rows, [(CODES[1], CODES[3], 4)], _seeing("turned")) == {"s:1": [], "s:2": []}


def _similar(cosine):
    return pa.Table.from_pylist(
        [{"a": a_row(1)["sha256"], "b": a_row(2)["sha256"], "cosine": cosine}], schema=SIMILAR_SCHEMA
    )


@pytest.mark.parametrize(("cosine", "is_copy"), [(0.9, True), (0.79, False)])
def test_what_an_embedding_finds_alike_is_a_copy(cosine, is_copy):
    rules = POLICY.duplicates.model_copy(update={"min_cosine": 0.8})
    policy = POLICY.model_copy(update={"duplicates": rules})
    verdict = _judge([a_row(1), a_row(2)], (), policy, similar=_similar(cosine), num_packs=2)["s:2"]
    assert verdict["reasons"] == (["duplicate:near"] if is_copy else [])
    assert (verdict["distance_bits"], verdict["view"]) == (None, None)
    assert verdict["cosine"] == (pytest.approx(cosine) if is_copy else None)


def test_without_a_least_cosine_no_embedding_decides():
    assert _reasons([a_row(1), a_row(2)], similar=_similar(0.99)) == {"s:1": [], "s:2": []}


def test_what_is_admitted_and_looks_alike_is_counted_and_on_one_side():
    split = SplitRules(heldout_fraction=0.5, radius_bits=20)
    rows = [a_row(1, sha256="0" * 64), a_row(2, sha256="f" * 64), a_row(3, sha256="1" * 64)]
    policy = POLICY.model_copy(update={"split": split})
    verdicts = _judge(rows, [(CODES[1], CODES[2], 16)], policy, num_packs=2)
    assert {name: (verdict["split"], verdict["near_left"]) for name, verdict in verdicts.items()} == {
        "s:1": ("train", 1),
        "s:2": ("train", 1),
        "s:3": ("heldout", None),
    }


def _evaluation(**shown):
    row = {"phash256": CODES[5], "views": b"", "flat": False, "pixels": "e" * 64, "name": "a.jpg", **shown}
    one = EvaluationList(name="exam", digest="d" * 64, rows=pa.Table.from_pylist([row], schema=EVALUATION_SCHEMA))
    return EvaluationSets([one], radius_bits=8)


@pytest.mark.parametrize(
    ("row", "shown", "is_contaminated"),
    [
        (a_row(1), {}, False),
        (a_row(5), {}, True),
        (a_row(1), {"phash256": bytes([1]) * 31 + b"\x00"}, True),
        (a_row(1), {"views": _views(TURNED, 1)}, True),
        (a_row(1, trimmed=_views(TRIMMED, 5)), {}, True),
        (a_row(1, turned=_views(TURNED, 5)), {}, True),
        (a_row(5, flatness=0.99), {}, False),
        (a_row(5, flatness=0.99, pixels="e" * 64), {}, True),
        (a_row(5, license_claims=NC), {}, False),
    ],
)
def test_what_is_too_close_to_an_evaluation_set_is_refused(row, shown, is_contaminated):
    (reasons,) = _reasons([row], evaluation=_evaluation(**shown)).values()
    assert ("contaminated:evaluation-set" in reasons) == is_contaminated
