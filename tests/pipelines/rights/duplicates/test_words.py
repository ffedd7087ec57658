"""What the page of duplicates says of a kind, and of why a picture was kept."""

from typing import get_args

import pytest

from byline.catalog.policies.policy import DuplicateRules, LicenseRules, Policy, ReleaseRules
from byline.pipelines.rights.duplicates.collecting import Picture
from byline.pipelines.rights.duplicates.words import _KEYS, kind_of, why_kept
from tests.pipelines.rights.duplicates.clusters import a_picture

POLICY = Policy(
    license=LicenseRules(families=("CC0", "CC-BY", "CC-BY-SA")),
    duplicates=DuplicateRules(radius_bits=12, keeper_order=("license", "pixels", "sharpness", "earliest")),
    release=ReleaseRules(obligations=("attribution", "share-alike")),
)
KEEPER = a_picture(record_id="test:1", sha256="a" * 64)


def a_copy(**overrides) -> Picture:
    return a_picture(**{"record_id": "test:2", "sha256": "b" * 64, "distance_bits": 4, **overrides})


@pytest.mark.parametrize(
    ("keeper", "copy", "words"),
    [
        ({"license": "CC0-1.0"}, {"license": "CC-BY-SA-4.0"}, "more wanted license: CC0 1.0 before CC BY-SA 4.0"),
        ({}, {"license": "CC-BY-SA-4.0"}, "more wanted license: CC BY 4.0 before CC BY-SA 4.0"),
        ({}, {"original_width": 800, "original_height": 600}, "more pixels: 1024x768 against 800x600"),
        ({}, {"license": "CC-BY-2.0", "sharpness": 377.2}, "sharper: 812 against 377"),
        ({}, {"original_width": None}, "more pixels: 1024x768 against not known"),
        ({}, {"original_width": 768, "original_height": 1024, "sharpness": 377.2}, "sharper: 812 against 377"),
        ({}, {"sharpness": 811.96}, "sharper: 812.00 against 811.96"),
        ({"retrieved_at": "2020"}, {"retrieved_at": "2021"}, "retrieved earlier: 2020 against 2021"),
        ({"retrieved_at": "2020"}, {}, "retrieved earlier: 2020 against not known"),
        ({}, {}, "by digest: equal in all else"),
        ({"sharpness": None}, {"sharpness": None}, "by digest: equal in all else"),
        ({"sharpness": 5.0}, {}, "measures have changed since the release was made (sharpness)"),
        ({}, {"sha256": "a" * 64}, "by record id: same bytes, license wanted as much"),
        ({}, {"sha256": "a" * 64, "license": "CC-BY-SA-4.0"}, "more wanted license: CC BY 4.0 before CC BY-SA 4.0"),
    ],
)  # fmt: skip
def test_a_keeper_is_kept_for_the_first_thing_in_which_it_is_ahead(keeper, copy, words):
    assert why_kept(a_picture(sha256="a" * 64, **keeper), a_copy(**copy), (), POLICY) == words


def test_the_order_is_that_of_the_policy():
    duplicates = POLICY.duplicates.model_copy(update={"keeper_order": ("sharpness", "pixels")})
    policy = POLICY.model_copy(update={"duplicates": duplicates})
    assert why_kept(KEEPER, a_copy(sharpness=1.0, original_width=1), (), policy) == "sharper: 812 against 1"


def test_a_copy_with_the_bytes_of_another_is_compared_as_that_one():
    counts = a_copy(license="CC-BY-4.0", sharpness=377.0)
    twin = a_copy(record_id="test:3", license="CC-BY-SA-4.0", reasons=("duplicate:same-bytes",))
    said = why_kept(KEEPER, twin, (counts, twin), POLICY)
    assert said == "sharper: 812 against 377 (as test:2, which has its very bytes)"


def test_every_key_of_a_keeper_order_has_words():
    (keys, _) = get_args(DuplicateRules.model_fields["keeper_order"].annotation)
    assert set(get_args(keys)) == set(_KEYS)


@pytest.mark.parametrize(
    ("overrides", "kind"),
    [
        ({"sha256": "a" * 64, "pixels": None}, "same bytes"),
        ({}, "same pixels"),
        ({"pixels": "e" * 64}, "near"),
        ({"pixels": None}, "near"),
        ({"sha256": None}, "same pixels"),
    ],
)
def test_the_kind_of_a_copy_is_what_it_shares_with_its_keeper(overrides, kind):
    assert kind_of(a_copy(**overrides), KEEPER) == kind


def test_without_a_keeper_the_kind_is_not_known():
    assert kind_of(a_copy(), None) == "not known"
