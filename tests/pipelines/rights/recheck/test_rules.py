"""What a policy makes of findings."""

import pytest

from byline.catalog.policies.policy import ConsentRules, Policy, RecheckRules
from tests.pipelines.judging.test_judge import CC0, NC, POLICY, _reasons, a_row, not_asked

NOAI = '[["x-robots-tag","noai"]]'
ALL = POLICY.model_copy(
    update={"recheck": RecheckRules(refuse=("removed", "opted-out", "relicensed", "changed", "unreachable"))}
)
NOTHING = POLICY.model_copy(update={"recheck": RecheckRules(refuse=())})


@pytest.mark.parametrize(
    ("found", "by_default", "by_all"),
    [
        ({"recheck": "unchanged"}, [], []),
        ({"recheck": "changed"}, [], ["recheck:changed"]),
        ({"recheck": "unreachable"}, [], ["recheck:unreachable"]),
        ({"recheck": "removed"}, ["recheck:removed"], ["recheck:removed"]),
        ({"recheck": "opted-out", "recheck_consent": NOAI}, ["recheck:opted-out"], ["recheck:opted-out"]),
        ({"recheck": "relicensed", "recheck_claims": NC}, [], ["recheck:relicensed"]),
        ({"recheck": "relicensed", "recheck_claims": CC0}, [], []),
        (
            {"recheck": "removed", "recheck_consent": NOAI, "recheck_claims": NC},
            ["recheck:removed", "recheck:opted-out"],
            ["recheck:removed", "recheck:opted-out", "recheck:relicensed"],
        ),
    ],
)
def test_the_policy_says_which_findings_refuse(found, by_default, by_all):
    assert _reasons([a_row(1, **found)])["s:1"] == by_default
    assert _reasons([a_row(1, **found)], policy=ALL)["s:1"] == by_all
    assert _reasons([a_row(1, **found)], policy=NOTHING)["s:1"] == []


def test_an_opt_out_counts_as_the_rules_of_consent_say():
    deaf = POLICY.model_copy(update={"consent": ConsentRules(opted_out="admit")})
    assert _reasons([a_row(1, recheck_consent=NOAI)], policy=deaf)["s:1"] == []


def test_what_the_claims_refuse_or_nobody_fetched_was_not_looked_at():
    assert _reasons([not_asked(1, recheck="removed")])["s:1"] == ["fetch:not-asked"]
    assert _reasons([a_row(1, license_claims=NC, recheck="removed")])["s:1"] == ["license:CC-BY-NC-4.0"]


def test_what_a_finding_refuses_stands_for_no_copy():
    rows = [a_row(1), a_row(2, sha256=a_row(1)["sha256"], phash256=a_row(1)["phash256"])]
    rows[0]["recheck"] = "removed"
    assert _reasons(rows) == {"s:1": ["recheck:removed"], "s:2": []}


def test_a_source_has_findings_of_its_own():
    policy = Policy.model_validate({**POLICY.model_dump(), "sources": {"s": {"recheck": {"refuse": ["changed"]}}}})
    assert _reasons([a_row(1, recheck="removed"), a_row(2, recheck="changed")], policy=policy) == {
        "s:1": [],
        "s:2": ["recheck:changed"],
    }
