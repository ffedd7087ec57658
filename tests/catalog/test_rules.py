import hashlib

import numpy as np
import pytest

from byline.catalog.licenses.reading import read_license
from byline.catalog.policies.policy import (
    CaptionRules,
    ConsentRules,
    CreditRules,
    ImageRules,
    LicenseRules,
    SafetyRules,
    SplitRules,
)
from byline.catalog.policies.rules import (
    caption_reasons,
    consent_reasons,
    credit_reasons,
    heldout,
    image_reasons,
    license_reasons,
    safety_reasons,
)

RULES = LicenseRules(families=("CC0", "CC-BY", "CC-BY-SA"))
GOOD = {
    "original_width": 100,
    "original_height": 80,
    "contrast": 0.2,
    "flatness": 0.3,
    "sharpness": 50.0,
    "spread": 200,
}


def _broken(masks):
    return tuple(reason for reason, mask in masks.items() if mask[0])


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("CC BY 4.0", ()),
        ("CC0", ()),
        ("CC BY-SA 3.0 or GFDL", ()),
        ("CC BY-SA", ("license:version-not-stated",)),
        ("CC BY-NC 4.0", ("license:CC-BY-NC-4.0",)),
        ("CC BY-NC", ("license:LicenseRef-CC-BY-NC", "license:version-not-stated")),
        ("", ("license:LicenseRef-missing",)),
        ("ask me", ("license:LicenseRef-unknown",)),
    ],
)
def test_every_broken_license_rule_is_named(text, reasons):
    assert license_reasons(read_license(text).spdx, RULES) == reasons


@pytest.mark.parametrize(
    ("spdx", "lacking", "reasons"),
    [
        ("CC-BY-4.0", (), ()),
        ("CC0-1.0", ("creator", "source"), ()),
        ("CC-BY-4.0", ("creator",), ("creator:missing",)),
        ("CC-BY-4.0", ("title",), ()),
        ("CC-BY-SA-2.0", ("creator", "source"), ("creator:missing", "source:missing")),
    ],
)
def test_a_license_that_asks_for_credit_needs_what_the_policy_requires(spdx, lacking, reasons):
    assert credit_reasons(spdx, lacking, CreditRules()) == reasons


@pytest.mark.parametrize(
    ("overrides", "reasons"),
    [
        ({}, ()),
        ({"original_width": 1, "original_height": 1}, ("image:too-small",)),
        ({"original_width": 401, "original_height": 100}, ("image:too-long",)),
        ({"contrast": 0.01, "flatness": 0.99}, ("quality:low-contrast", "quality:flat")),
        ({"sharpness": 1.0}, ("quality:blurred",)),
        ({"spread": 16}, ()),
        ({"spread": 15}, ("image:empty",)),
        ({"spread": float("nan")}, ()),
    ],
)
def test_every_broken_image_rule_is_named(overrides, reasons):
    rules = ImageRules(min_contrast=0.05, min_sharpness=10, max_flatness=0.9)
    columns = {name: np.array([value], float) for name, value in {**GOOD, **overrides}.items()}
    assert _broken(image_reasons(columns, rules)) == reasons


@pytest.mark.parametrize(
    ("state", "rules", "reasons"),
    [
        ("allowed", ConsentRules(missing="refuse"), ()),
        ("opted-out", ConsentRules(), ("consent:opted-out",)),
        ("opted-out", ConsentRules(opted_out="admit"), ()),
        ("unstated", ConsentRules(), ()),
        ("unstated", ConsentRules(missing="refuse"), ("consent:not-stated",)),
    ],
)
def test_consent_counts_for_what_the_policy_says(state, rules, reasons):
    assert consent_reasons(state, rules) == reasons


@pytest.mark.parametrize(
    ("nsfw", "rules", "reasons"),
    [
        (0.9, None, ()),
        (0.9, SafetyRules(max_nsfw=0.8), ("safety:nsfw",)),
        (0.8, SafetyRules(max_nsfw=0.8), ()),
        (np.nan, SafetyRules(max_nsfw=0.8), ("safety:not-measured",)),
        (np.nan, SafetyRules(max_nsfw=0.8, missing="admit"), ()),
    ],
)
def test_safety_rules(nsfw, rules, reasons):
    assert _broken(safety_reasons(np.array([nsfw]), rules)) == reasons


@pytest.mark.parametrize(("characters", "reasons"), [(0, ("caption:missing",)), (2, ("caption:too-short",)), (3, ())])
def test_caption_rules(characters, reasons):
    assert (
        _broken(caption_reasons(np.array([characters], float), np.zeros(1), CaptionRules(min_characters=3))) == reasons
    )


def test_the_held_out_share_is_what_the_policy_asks():
    digits = [int(hashlib.sha256(str(i).encode()).hexdigest()[:16], 16) for i in range(4000)]
    assert 0.08 < heldout(np.array(digits, np.uint64), SplitRules(heldout_fraction=0.1)).mean() < 0.12
