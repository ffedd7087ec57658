import pytest

from catalog.licenses import read_license
from catalog.policy import (
    CaptionRules,
    ImageRules,
    LicenseRules,
    SplitRules,
    caption_reasons,
    image_reasons,
    is_heldout,
    license_rank,
    license_reasons,
)

RULES = LicenseRules(families=("CC0", "CC-BY", "CC-BY-SA"))
GOOD = {"original_width": 100, "original_height": 80, "contrast": 0.2, "flatness": 0.3, "sharpness": 50.0}


@pytest.mark.parametrize(
    ("text", "creator", "reasons"),
    [
        ("CC BY 4.0", "Ada", ()),
        ("CC0", None, ()),
        ("CC BY 4.0", " ", ("creator:missing",)),
        ("CC BY-SA", "Ada", ("license:version-not-stated",)),
        ("CC BY-NC 4.0", "Ada", ("license:CC-BY-NC-4.0",)),
        ("CC BY-NC", None, ("license:LicenseRef-CC-BY-NC", "license:version-not-stated", "creator:missing")),
        ("", "Ada", ("license:LicenseRef-missing",)),
        ("ask me", "Ada", ("license:LicenseRef-unknown",)),
    ],
)
def test_every_broken_license_rule_is_named(text, creator, reasons):
    assert license_reasons(read_license(text), creator, RULES) == reasons


@pytest.mark.parametrize(
    ("overrides", "reasons"),
    [
        ({}, ()),
        ({"original_width": 1, "original_height": 1}, ("image:too-small",)),
        ({"original_width": 401, "original_height": 100}, ("image:too-long",)),
        ({"contrast": 0.01, "flatness": 0.99}, ("quality:low-contrast", "quality:flat")),
        ({"sharpness": 1.0}, ("quality:blurred",)),
    ],
)
def test_every_broken_image_rule_is_named(overrides, reasons):
    rules = ImageRules(min_contrast=0.05, min_sharpness=10, max_flatness=0.9)
    assert image_reasons({**GOOD, **overrides}, rules) == reasons


def test_captions():
    rules = CaptionRules(min_characters=3)
    assert [caption_reasons(text, rules) for text in (None, "", "ab", "abc")] == [
        ("caption:missing",),
        ("caption:missing",),
        ("caption:too-short",),
        (),
    ]


def test_licenses_rank_in_the_order_of_the_policy():
    assert [license_rank(spdx, RULES) for spdx in ("CC0-1.0", "CC-BY-SA-2.0", "CC-BY-NC-4.0")] == [0, 2, 3]


def test_the_held_out_share_is_about_what_was_asked_for():
    digests = [f"{i * 2654435761 % 2**32:08x}" for i in range(2000)]
    share = sum(is_heldout(d, SplitRules(heldout_fraction=0.1)) for d in digests) / len(digests)
    assert 0.08 < share < 0.12
