"""What may enter a release: rules that are data, and the pure functions that apply them.

Each rule adds a reason, `<what>:<why>`, and every rule whose facts are known is applied, so that one pass explains a
refusal whole. (What license or picture refuse is not captioned, so of it no caption rule speaks.)
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from catalog.licenses import LicenseReading, family, has_version

CREDIT_NEEDED = frozenset({"CC-BY", "CC-BY-SA", "CC-BY-NC", "CC-BY-NC-SA", "CC-BY-ND", "CC-BY-NC-ND"})
"""License families whose terms ask for the creator's name."""
VERSIONED = CREDIT_NEEDED
"""License families whose terms differ by version, so that a credit must state it."""


class LicenseRules(BaseModel, frozen=True, extra="forbid"):
    """Which licenses may enter."""

    families: tuple[str, ...] = Field(min_length=1)
    """License families that are admitted, the most wanted first: a duplicate's keeper is chosen in this order."""
    require_version: bool = True
    """Refuse a Creative Commons license whose version the source does not state."""
    require_creator: bool = True
    """Refuse a record with nobody to credit where its license asks for credit."""


class ImageRules(BaseModel, frozen=True, extra="forbid"):
    """Which pictures are worth training on, by what was measured on them."""

    min_side_px: int = Field(32, ge=1)
    """Of the picture as its source offers it."""
    max_aspect_ratio: float = Field(4.0, ge=1)
    min_contrast: float = Field(0.0, ge=0, le=1)
    min_sharpness: float = Field(0.0, ge=0)
    max_flatness: float = Field(1.0, ge=0, le=1)


class DuplicateRules(BaseModel, frozen=True, extra="forbid"):
    """When two pictures count as one."""

    radius_bits: int = Field(ge=0, le=31)
    """Greatest distance of two 256-bit perceptual hashes of duplicates."""
    max_luma_distance: float = Field(64.0, ge=0)
    """Greatest difference of brightness, in levels of 255, in any of 4x4 cells."""
    max_chroma_distance: float = Field(24.0, ge=0)
    """Greatest difference of hue and saturation there. Hashes see neither: a red heart and a blue one are equal."""
    flat_from: float = Field(0.95, ge=0, le=1)
    """A picture this flat is a duplicate only of equal pixels: its hash says nothing."""


class CaptionRules(BaseModel, frozen=True, extra="forbid"):
    """Which captions are worth training on."""

    min_characters: int = Field(3, ge=1)


class SplitRules(BaseModel, frozen=True, extra="forbid"):
    """What is held out from training, to measure on."""

    heldout_fraction: float = Field(0.05, ge=0, lt=1)
    """Chosen by the digest of the picture, so that it does not move when others come and go."""


class Policy(BaseModel, frozen=True, extra="forbid"):
    """All rules of a release. Its digest is in the manifest."""

    license: LicenseRules
    image: ImageRules = ImageRules()
    duplicates: DuplicateRules
    caption: CaptionRules = CaptionRules()
    split: SplitRules = SplitRules()


def license_reasons(reading: LicenseReading, creator: str | None, rules: LicenseRules) -> tuple[str, ...]:
    """Say why a claimed license is refused; nothing when it is admitted."""
    reasons = []
    kind = family(reading.spdx)
    if kind not in rules.families:
        reasons.append(f"license:{reading.spdx}")
    if rules.require_version and kind in VERSIONED and not has_version(reading.spdx):
        reasons.append("license:version-not-stated")
    if rules.require_creator and kind in CREDIT_NEEDED and not (creator or "").strip():
        reasons.append("creator:missing")
    return tuple(reasons)


def image_reasons(facts: Mapping[str, Any], rules: ImageRules) -> tuple[str, ...]:
    """Say why a picture is refused by its size and quality.

    `facts` has `original_width` and `original_height` (px), `contrast` and `flatness` in [0, 1] and `sharpness`.
    """
    short, long = sorted((facts["original_width"], facts["original_height"]))
    broken = {
        "image:too-small": short < rules.min_side_px,
        "image:too-long": long > rules.max_aspect_ratio * short,
        "quality:low-contrast": facts["contrast"] < rules.min_contrast,
        "quality:blurred": facts["sharpness"] < rules.min_sharpness,
        "quality:flat": facts["flatness"] > rules.max_flatness,
    }
    return tuple(reason for reason, is_broken in broken.items() if is_broken)


def caption_reasons(caption: str | None, rules: CaptionRules) -> tuple[str, ...]:
    """Say why a caption is refused."""
    if not caption:
        return ("caption:missing",)
    return ("caption:too-short",) if len(caption) < rules.min_characters else ()


def license_rank(spdx: str, rules: LicenseRules) -> int:
    """Return the place of a license in the policy's order; the lower is the more wanted."""
    kind = family(spdx)
    return rules.families.index(kind) if kind in rules.families else len(rules.families)


def is_heldout(sha256: str, rules: SplitRules) -> bool:
    """Tell whether the picture with this digest is held out."""
    return int(sha256[:8], 16) < rules.heldout_fraction * 2**32
