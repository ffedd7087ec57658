from pathlib import Path

import pytest
from pydantic import ValidationError

from byline.catalog.configs.loading import load_config
from byline.catalog.errors import ConfigError
from byline.catalog.licenses.reading import UNKNOWN, family
from byline.catalog.policies.policy import (
    FAMILIES,
    CapRules,
    CaptionRules,
    LicenseRules,
    Policy,
    choose_license,
    license_rank,
    obligations_of,
)
from byline.catalog.policies.rules import license_reasons

RULES = LicenseRules(families=("CC0", "CC-BY", "CC-BY-SA"))
POLICIES = sorted(Path("configs/policies").glob("*.toml"))
A_POLICY = """
[license]
families = ["CC0", "CC-BY"]
[duplicates]
radius_bits = 12
[release]
obligations = ["attribution"]
"""


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_no_policy_of_ours_admits_the_dedication_of_2004_or_a_mere_claim(path):
    rules = load_config(path, Policy).license
    assert license_reasons("CC-PDDC", rules) == ("license:CC-PDDC",)
    assert license_reasons("LicenseRef-public-domain", rules) == ("license:LicenseRef-public-domain",)
    assert all(words in path.read_text() for words in ("dedication of 2004", '"CC-PDDC"'))


def _load(tmp_path, text):
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return load_config(path, Policy)


def test_rank_is_the_place_in_the_policys_order_and_last_when_it_is_not_in_it():
    assert [license_rank(spdx, RULES) for spdx in ("CC0-1.0", "CC-BY-SA-2.0", "CC-BY-NC-4.0")] == [0, 2, 3]


@pytest.mark.parametrize(
    ("spdx", "chosen"),
    [
        ("CC-BY-SA-3.0 OR GFDL-1.2-or-later", "CC-BY-SA-3.0"),
        ("CC-BY-4.0 OR CC-BY-SA-4.0", "CC-BY-4.0"),
        ("GFDL-1.2-only OR GPL-3.0-only", "GFDL-1.2-only OR GPL-3.0-only"),
        ("CC-BY-NC-4.0", "CC-BY-NC-4.0"),
    ],
)
def test_of_a_choice_the_most_wanted_side_is_taken(spdx, chosen):
    assert choose_license(spdx, RULES) == chosen


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("CC0", set()),
        ("CC-PDM", set()),
        ("CC-BY", {"attribution"}),
        ("CC-BY-NC-SA", {"attribution", "share-alike", "non-commercial"}),
        ("GPL", {"attribution", "share-alike"}),
    ],
)
def test_obligations_follow_from_the_license(name, asked):
    assert obligations_of(name) == asked


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_no_shipped_policy_admits_noderivatives_or_what_is_not_known(path):
    families = load_config(path, Policy).license.families
    assert not [name for name in families if "ND" in name.split("-")]
    assert family(UNKNOWN) not in FAMILIES


def test_the_three_shipped_policies_admit_what_they_say():
    families = {path.stem: set(load_config(path, Policy).license.families) for path in POLICIES}
    assert families["commercial"] == {"CC0", "CC-PDM", "CC-BY", "CC-BY-SA"}
    assert families["noncommercial"] == families["commercial"] | {"CC-BY-NC", "CC-BY-NC-SA"}
    assert families["public-domain"] == {"CC0", "CC-PDM"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('"CC-BY"]', '"CC-BUY"]', "no license family 'CC-BUY'"),
        ('"CC-BY"]', '"CC-BY-ND"]', "catalogued, never trained on"),
        ('"CC-BY"]', '"LicenseRef-unknown"]', "no license family"),
        ('"CC-BY"]', '"CC-BY", "CC-BY"]', "named twice"),
        ('"CC-BY"]', '"CC-BY-SA"]', "asks for share-alike"),
        ("radius_bits = 12", "radius_bits = 32", "radius_bits"),
        ("radius_bits = 12", "radius = 12", "unknown key 'radius' in [duplicates]; known keys: flat_from"),
        ("[release]", '[consent]\nopted_out = "admit"\nmissing = "refuse"\n[release]', "contradict"),
        ("[release]", "[sources.web.image]\nmin_side = 3\n[release]", "'min_side' in [sources.web.image]; known"),
        (
            "[release]",
            '[sources.web.license]\nfamilies = ["CC-BY-NC"]\n[release]',
            "sources.web.license] admits CC-BY-NC",
        ),
        ("[release]", "[sources.web.split]\nheldout_fraction = 0\n[release]", "'split' in [sources.web]; known"),
    ],
)
def test_a_policy_that_cannot_be_meant_is_one_clear_line(tmp_path, old, new, complaint):
    assert old in A_POLICY
    with pytest.raises(ConfigError) as raised:
        _load(tmp_path, A_POLICY.replace(old, new))
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_source_differs_from_the_general_rules_only_in_what_it_says(tmp_path):
    policy = _load(
        tmp_path, A_POLICY + "[sources.web.image]\nmin_side_px = 512\n[sources.web.safety]\nmax_nsfw = 0.5\n"
    )
    assert policy.rules_of("web").image.min_side_px == 512
    assert policy.rules_of("web").image.max_aspect_ratio == policy.image.max_aspect_ratio
    assert policy.rules_of("web").safety.max_nsfw == 0.5
    assert (
        policy.rules_of("other").model_dump() == policy.model_copy(update={"sources": {}}).rules_of("web").model_dump()
    )


def test_families_are_those_that_the_rules_of_any_source_admit(tmp_path):
    policy = _load(tmp_path, A_POLICY + '[sources.web.license]\nfamilies = ["CC-PDM", "CC0"]\n')
    assert policy.families == (*policy.license.families, "CC-PDM")


def test_policies_are_frozen():
    with pytest.raises(ValidationError):
        RULES.families = ()


def test_caps_that_cap_nothing_are_refused():
    with pytest.raises(ValueError, match="max_per_creator, max_per_caption or both are needed"):
        CapRules()


def test_a_least_length_above_the_greatest_is_refused():
    with pytest.raises(ValueError, match="no caption has 9 characters at least and 3 at most"):
        CaptionRules(min_characters=9, max_characters=3)
