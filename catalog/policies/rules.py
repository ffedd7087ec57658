"""Apply a policy to the records of a pack: each rule is a pure function that names what it refuses.

A reason is `<what>:<why>`. Rules on words (licenses, consent) judge one value, since a pack has few distinct ones;
rules on numbers judge a column. Every rule whose facts are known is applied, so that one pass explains a refusal whole.
"""

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

from byline.catalog.caption_flags import CAPTION_FLAGS
from byline.catalog.licenses.reading import family, has_version
from byline.catalog.policies.policy import (
    CREDIT_NEEDED,
    VERSIONED,
    CaptionRules,
    ConsentRules,
    CreditRules,
    ImageRules,
    LicenseRules,
    MetricRules,
    SafetyRules,
    SplitRules,
    choose_license,
)

FIRST_WORDS = frozenset(
    "license creator title source consent fetch measure image quality safety duplicate caption quarantine recheck "
    "denied cap contaminated contrast flatness sharpness spread nsfw".split()
)
"""What reasons of ours begin with, and numbers of ours: no name of an extension is one of them."""
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.float64]


def license_reasons(spdx: str, rules: LicenseRules) -> tuple[str, ...]:
    """Say why a license, as it was read, is refused; nothing when it is admitted."""
    chosen = choose_license(spdx, rules)
    kind, reasons = family(chosen), []
    if kind not in rules.families:
        reasons.append(f"license:{spdx}")
    if rules.require_version and kind in VERSIONED and not has_version(chosen):
        reasons.append("license:version-not-stated")
    return tuple(reasons)


def credit_reasons(spdx: str, lacking: Collection[str], rules: CreditRules) -> tuple[str, ...]:
    """Say which required parts of the credit are `lacking`, where the license (the chosen one) asks for credit."""
    if family(spdx) not in CREDIT_NEEDED:
        return ()
    return tuple(f"{part}:missing" for part in rules.required if part in lacking)


def consent_reasons(state: str, rules: ConsentRules) -> tuple[str, ...]:
    """Say why a picture is refused by what its host said of training."""
    if state == "opted-out" and rules.opted_out == "refuse":
        return ("consent:opted-out",)
    if state == "unstated" and rules.missing == "refuse":
        return ("consent:not-stated",)
    return ()


def origin_reasons(is_synthetic: bool, rules: ImageRules) -> tuple[str, ...]:
    """Say why a picture is refused by what it says of how it was made."""
    return ("image:synthetic",) if is_synthetic and rules.synthetic == "refuse" else ()


def image_reasons(columns: Mapping[str, Numbers], rules: ImageRules) -> dict[str, Mask]:
    """Return which pictures each rule of size and quality refuses.

    `columns` are `original_width` and `original_height` (px), `contrast` and `flatness` in [0, 1], `sharpness`, and
    `spread` in levels of 255.
    """
    short = np.minimum(columns["original_width"], columns["original_height"])
    long = np.maximum(columns["original_width"], columns["original_height"])
    return {
        "image:too-small": short < rules.min_side_px,
        "image:too-long": long > rules.max_aspect_ratio * short,
        "image:empty": columns["spread"] < rules.min_spread,
        "quality:low-contrast": columns["contrast"] < rules.min_contrast,
        "quality:blurred": columns["sharpness"] < rules.min_sharpness,
        "quality:flat": columns["flatness"] > rules.max_flatness,
    }


def safety_reasons(nsfw: Numbers, rules: SafetyRules | None) -> dict[str, Mask]:
    """Return which pictures the safety rules refuse. `nsfw` is in [0, 1], not a number where it was not measured."""
    if rules is None:
        return {}
    return {
        "safety:nsfw": nsfw > rules.max_nsfw,
        "safety:not-measured": np.isnan(nsfw) & (rules.missing == "refuse"),
    }


def metric_reasons(name: str, numbers: Numbers, rules: MetricRules) -> dict[str, Mask]:
    """Return which pictures a metric refuses. What it says nothing of is not a number, and not within any bounds."""
    masks = {f"{name}:no-value": np.isnan(numbers) & (rules.missing == "refuse")}
    if rules.min is not None:
        masks[f"{name}:too-low"] = numbers < rules.min
    if rules.max is not None:
        masks[f"{name}:too-high"] = numbers > rules.max
    return masks


def caption_reasons(num_characters: Numbers, flags: Numbers, rules: CaptionRules) -> dict[str, Mask]:
    """Return which captions are refused. A caption that does not exist has 0 characters, and no bit of `flags`."""
    bits = flags.astype(np.int64)
    return {
        "caption:missing": num_characters == 0,
        "caption:too-short": (num_characters > 0) & (num_characters < rules.min_characters),
        "caption:too-long": num_characters > (np.inf if rules.max_characters is None else rules.max_characters),
        **{f"caption:{flag}": (bits >> CAPTION_FLAGS.index(flag) & 1).astype(np.bool_) for flag in rules.refuse},
    }


def language_reasons(is_wanted: Mask, score: Numbers, rules: CaptionRules) -> dict[str, Mask]:
    """Return which captions are refused for their language, which `is_wanted` or not, as sure as `score` says: not a
    number where nothing told it."""
    return {"caption:language": ~is_wanted & (score >= rules.min_language_score)} if rules.languages else {}


def agreement_reasons(agreement: Numbers, rules: CaptionRules) -> dict[str, Mask]:
    """Return which captions no other captioner agrees with. Not a number is one that none wrote beside."""
    return {} if rules.min_agreement is None else {"caption:disagrees": agreement < rules.min_agreement}


def heldout(first_word: npt.NDArray[np.uint64], rules: SplitRules) -> Mask:
    """Return which pictures are held out from training, by the first 64 bits of their SHA-256."""
    return (first_word >> np.uint64(32)) < rules.heldout_fraction * 2**32
