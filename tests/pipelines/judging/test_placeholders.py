"""One picture from many hands is none: it goes to quarantine whole."""

import numpy as np
import pytest

from byline.catalog.disk.storage import Store
from byline.catalog.policies.policy import ImageRules, Policy
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config, load_policy
from byline.pipelines.judging.placeholders import Recurring, num_hands, placeholder_rows
from byline.pipelines.rights.plans.planning import make_plan
from byline.pipelines.rights.traces.tracing import trace
from tests.builders import POLICY as POLICY_TOML
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus
from tests.pipelines.judging.test_judge import CODES, NC, NEUTRAL, POLICY, _judge, _reasons, a_row

FROM_3 = POLICY.model_copy(update={"image": ImageRules(placeholder_from=3)})
HELD = ["quarantine:placeholder"]


def _same(numbers, **overrides):
    """Return records that all show one picture, each of its own creator."""
    one = a_row(1)
    shown = {name: one[name] for name in ("sha256", "phash256", "pixels")}
    return [a_row(number, **shown, **overrides) for number in numbers]


@pytest.mark.parametrize("num_packs", [1, 3])
def test_all_records_of_a_placeholder_are_refused_and_no_other(num_packs):
    rows = [*_same(range(1, 4)), a_row(5), a_row(6)]
    for order in (rows, rows[::-1]):
        verdicts = _judge(order, policy=FROM_3, num_packs=num_packs)
        assert [verdicts[f"s:{i}"]["reasons"] for i in (1, 2, 3, 5, 6)] == [HELD, HELD, HELD, [], []]
        assert {verdict["keeper_record_id"] for verdict in verdicts.values()} == {None}


def test_fewer_hands_are_copies():
    reasons = _reasons(_same((1, 2)), policy=FROM_3)
    assert reasons == {"s:1": [], "s:2": ["duplicate:same-bytes"]}


def test_one_creator_may_post_one_picture_often():
    reasons = _reasons(_same(range(1, 7), creator=7), policy=FROM_3)
    assert list(reasons.values()).count([]) == 1


def test_who_names_nobody_counts_each_time():
    assert set(map(tuple, _reasons(_same(range(1, 4), creator=0), policy=FROM_3).values())) == {tuple(HELD)}


def test_other_bytes_with_equal_pixels_are_the_same_placeholder():
    rows = _same(range(1, 4))
    for row in rows:
        row["sha256"] = a_row(int(row["record_id"].removeprefix("s:")))["sha256"]
    assert set(map(tuple, _reasons(rows, policy=FROM_3, num_packs=3).values())) == {tuple(HELD)}


def test_a_picture_near_a_placeholder_stays():
    rows = [*_same(range(1, 4), original_width=900), a_row(5)]
    assert _reasons(rows, [(CODES[1], CODES[5], 2)], FROM_3)["s:5"] == []


def test_what_other_rules_refuse_counts_and_every_reason_is_named():
    small = _same((3,), original_width=30)
    reasons = _reasons([*_same((1, 2)), *small], policy=FROM_3)
    assert reasons == {"s:1": HELD, "s:2": HELD, "s:3": ["image:too-small", *HELD]}


def test_what_the_claims_refuse_counts_for_nothing():
    rows = [*_same((1, 2)), *_same((3,), license_claims=NC)]
    assert _reasons(rows, policy=FROM_3)["s:1"] == []


def test_a_flat_placeholder_is_found_by_its_pixels():
    rows = _same(range(1, 4), flatness=1.0, colors=NEUTRAL)
    assert set(map(tuple, _reasons(rows, policy=FROM_3).values())) == {tuple(HELD)}


def test_a_source_has_a_limit_of_its_own():
    policy = Policy.model_validate({**POLICY.model_dump(), "sources": {"s": {"image": {"placeholder_from": 2}}}})
    assert _reasons(_same((1, 2)), policy=policy) == {"s:1": HELD, "s:2": HELD}


def test_hands_are_counted_over_packs_whatever_the_order():
    packs = [_recurring([5, 5, 9], [1, 2, 0]), _recurring([5, 9, 9], [1, 0, 3])]
    assert [rows.tolist() for rows in placeholder_rows(packs, [3, 2])] == [[2], [0, 1, 2]]
    assert num_hands(np.array([5, 9, 5], np.uint64), np.array([1, 0, 1], np.uint64)).tolist() == [1, 1, 1]
    assert placeholder_rows([], []) == []


def _recurring(pixels, creators):
    return Recurring(
        rows=np.arange(len(pixels)), pixels=np.array(pixels, np.uint64), creators=np.array(creators, np.uint64)
    )


@pytest.mark.beam
def test_build_plan_and_trace_tell_of_placeholders(tmp_path):
    lines = [
        a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", unickname=f"creator+{number}")
        for number in range(16)
    ]
    config = write_corpus(tmp_path, lines, num_packs=2)
    for number in range(16):
        seed = 99 if number < 10 else number
        (tmp_path / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(seed)))
    release = build(str(config), workers=1)
    assert release.manifest.reasons == {"quarantine:placeholder": 10}
    assert release.manifest.counts["admitted"] == 6
    (traced,) = trace(Store(str(tmp_path / "corpus")), "test:3")
    assert traced.releases[0].verdict.reasons == ("quarantine:placeholder",)
    wider = tmp_path / "wider.toml"
    wider.write_text(POLICY_TOML + "[image]\nplaceholder_from = 11\n")
    plan = make_plan(load_corpus_config(str(config))[0], load_policy(str(wider), ["test"]))
    assert plan.reasons == {"duplicate:same-bytes": 9}
    assert (plan.added.images, plan.removed.images, plan.is_exact) == (1, 0, True)
