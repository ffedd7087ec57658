"""What may enter a release: rules that are data. `catalog.policies.rules` applies them.

A policy is a TOML file. It is checked when it is loaded: an unknown license, NoDerivatives (catalogued, never trained
on), and rules that contradict each other are errors. Its digest is in the manifest of every release.
"""

from collections import Counter
from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from byline.catalog.caption_flags import CaptionFlag
from byline.catalog.configs.loading import explained
from byline.catalog.licenses.reading import choices, family

Obligation = Literal["attribution", "share-alike", "non-commercial"]
CreditField = Literal["creator", "title", "source"]
LEAST_COSINE = 0.6
"""Least cosine of vectors that is kept, so that a policy may choose any greater one without a new search."""
SURE = 0.5
"""Score from which on a language is told for sure, where a policy does not say."""
VERSIONED = frozenset({"CC-BY", "CC-BY-SA", "CC-BY-NC", "CC-BY-NC-SA", "CC-BY-ND", "CC-BY-NC-ND"})
"""License families whose terms differ by version, so that a credit must state it."""


FAMILIES = frozenset(
    "AGPL Apache BSD CC-BY CC-BY-NC CC-BY-NC-ND CC-BY-NC-SA CC-BY-ND CC-BY-SA CC-NC CC-NC-ND CC-NC-SA CC-ND CC-PDDC "
    "CC-PDM CC-SA CC0 DL-DE-BY DL-DE-ZERO GFDL GPL ISC KOGL-BY LAL LGPL MIT MPL NLOD ODC-By ODbL OFL OGDL-Taiwan "
    "OGL-Canada OGL-UK PDDL US-government Unlicense WTFPL Zlib attribution copyrighted-free-use etalab "
    "no-known-restrictions public-domain public-domain-US".split()
)
"""Families that a policy may name. What was not read, or is nobody's to use, is not among them."""


_FREE_OF_CREDIT = frozenset(
    "CC0 CC-NC CC-NC-ND CC-NC-SA CC-ND CC-PDM CC-PDDC CC-SA DL-DE-ZERO PDDL US-government Unlicense WTFPL "
    "copyrighted-free-use no-known-restrictions public-domain public-domain-US".split()
)


def obligations_of(family_name: str) -> frozenset[Obligation]:
    """Return what a license of this family asks of whoever passes the work on."""
    parts = set(family_name.split("-"))
    asked: dict[Obligation, bool] = {
        "attribution": family_name not in _FREE_OF_CREDIT,
        "share-alike": "SA" in parts or family_name in {"GPL", "LGPL", "AGPL", "GFDL", "LAL", "ODbL"},
        "non-commercial": "NC" in parts,
    }
    return frozenset(name for name, is_asked in asked.items() if is_asked)


CREDIT_NEEDED = frozenset(name for name in FAMILIES if "attribution" in obligations_of(name))
"""License families whose terms ask for the creator's name."""


class LicenseRules(BaseModel, frozen=True, extra="forbid"):
    """Which licenses may enter."""

    families: tuple[str, ...] = Field(min_length=1)
    """License families that are admitted, the most wanted first: a duplicate's keeper is chosen in this order."""
    require_version: bool = True
    """Refuse a Creative Commons license whose version the source does not state."""

    @field_validator("families")
    @classmethod
    def _known_and_trainable(cls, families: tuple[str, ...]) -> tuple[str, ...]:
        for name in families:
            if name not in FAMILIES:
                raise ValueError(f"no license family {name!r}; known: {', '.join(sorted(FAMILIES))}")
            if "ND" in name.split("-"):
                raise ValueError(f"{name} allows no adaptation: it is catalogued, never trained on")
        if repeated := [name for name, times in Counter(families).items() if times > 1]:
            raise ValueError(f"{repeated[0]} is named twice; the order says which is wanted more")
        return families


class CreditRules(BaseModel, frozen=True, extra="forbid"):
    """Which parts of a credit may not be missing where the license asks for credit."""

    required: tuple[CreditField, ...] = ("creator", "source")
    """`source` is the page that shows the picture, the picture's own URL, or its file in the folder of its source. A
    word for nothing (`catalog.nothing`) is no creator and no title."""


class ConsentRules(BaseModel, frozen=True, extra="forbid"):
    """What the wishes of a picture's host and owner count for, as they were heard when it was fetched."""

    opted_out: Literal["refuse", "admit"] = "refuse"
    missing: Literal["refuse", "admit"] = "admit"
    """What becomes of pictures where no signal speaks of training. Silence is the usual case."""

    @model_validator(mode="after")
    def _not_upside_down(self) -> "ConsentRules":
        if self.opted_out == "admit" and self.missing == "refuse":
            raise ValueError("opted_out = 'admit' and missing = 'refuse' contradict: silence cannot count for less")
        return self


class RecheckRules(BaseModel, frozen=True, extra="forbid"):
    """Which findings of `byline recheck` refuse a picture. Those that are left out are kept and count for nothing."""

    refuse: tuple[Literal["removed", "opted-out", "relicensed", "changed", "unreachable"], ...] = (
        "removed",
        "opted-out",
    )
    """`opted-out` where `[consent]` refuses opt-outs, `relicensed` where `[license]` does not admit the new license."""


class ImageRules(BaseModel, frozen=True, extra="forbid"):
    """Which pictures are worth training on, by what was measured on them."""

    min_side_px: int = Field(32, ge=1)
    """Least shorter side of the picture as its source offers it, in pixels."""
    max_aspect_ratio: float = Field(4.0, ge=1)
    synthetic: Literal["refuse", "admit"] = "refuse"
    """What XMP or C2PA says a trained model made, in whole or in part: it has no author, or not only one."""
    min_spread: int = Field(16, ge=0, le=255)
    """Greatest difference of levels of 255 in any channel: what has less shows nothing, whatever its caption says."""
    min_contrast: float = Field(0.0, ge=0, le=1)
    min_sharpness: float = Field(0.0, ge=0)
    max_flatness: float = Field(1.0, ge=0, le=1)
    placeholder_from: int = Field(10, ge=2)
    """The same pixels from this many hands are what hosts give in place of pictures that they lack."""


class SafetyRules(BaseModel, frozen=True, extra="forbid"):
    """Which pictures are fit to be shown."""

    max_nsfw: float = Field(ge=0, le=1)
    """Greatest score of the safety instrument of the corpus (`[safety]` in its config)."""
    missing: Literal["refuse", "admit"] = "refuse"
    """What becomes of pictures where the instrument measured nothing."""


class MetricRules(BaseModel, frozen=True, extra="forbid"):
    """Bounds that a number of a picture must keep, by a metric that the corpus measures (`[metrics.<name>]`)."""

    min: float | None = Field(None, allow_inf_nan=False)
    max: float | None = Field(None, allow_inf_nan=False)
    missing: Literal["refuse", "admit"] = "refuse"
    """What becomes of pictures where the metric has nothing to say."""

    @model_validator(mode="after")
    def _bounds(self) -> "MetricRules":
        if self.min is None and self.max is None:
            raise ValueError("min, max or both are needed")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min = {self.min} is more than max = {self.max}: nothing would be admitted")
        return self


class DuplicateRules(BaseModel, frozen=True, extra="forbid"):
    """When two pictures count as one, and which of them stays."""

    radius_bits: int = Field(ge=0, le=31)
    """Greatest distance of two 256-bit perceptual hashes of duplicates."""
    max_luma_distance: float = Field(64.0, ge=0)
    """Greatest difference of brightness, in levels of 255, in any of 4x4 cells."""
    max_chroma_distance: float = Field(24.0, ge=0)
    """Greatest difference of hue and saturation there. Hashes see neither: a red heart and a blue one are equal."""
    flat_from: float = Field(0.95, ge=0, le=1)
    """A picture this flat is a duplicate only of equal pixels: its hash says nothing."""
    min_cosine: float | None = Field(None, ge=LEAST_COSINE, le=1)
    """Least cosine of the vectors of two copies, by the embedding of the corpus (`[embedding]` in its config), which
    sees crops and overlays too. Left out, no embedding decides."""
    views: tuple[Literal["turned", "trimmed"], ...] = ("trimmed",)
    """How a picture is looked at beside as it is: flipped and turned by quarters, and without a frame around it. A
    photograph and its mirror image are copies; among drawings a thumb up and a thumb down are not."""
    keeper_order: tuple[Literal["license", "pixels", "sharpness", "earliest"], ...] = (
        "license",
        "pixels",
        "sharpness",
        "earliest",
    )
    """What decides who stays: the most wanted license, most pixels, sharpest, first retrieved; then the digest."""
    license_conflict: Literal["quarantine", "ignore"] = "quarantine"
    """Copies of one picture whose licenses ask for different things: one of them may not be the owner's."""


def _is_empty(table: Collection[Any]) -> bool:
    return not table


def _is_admit(effect: str) -> bool:
    return effect == "admit"


def _is_none(value: object) -> bool:
    return value is None


def _is_sure(score: float) -> bool:
    return score == SURE


class CaptionRules(BaseModel, frozen=True, extra="forbid"):
    """Which captions are worth training on."""

    min_characters: int = Field(3, ge=1)
    max_characters: Annotated[int | None, Field(ge=1, exclude_if=_is_none)] = None
    refuse: Annotated[tuple[CaptionFlag, ...], Field(exclude_if=_is_empty)] = ()
    """Captions that are refused for what is in them (`catalog.caption_flags`), each as `caption:<flag>`. Where
    none is refused nothing is said of it, so that the digest of a policy is what it always was."""
    synthetic: Annotated[Literal["refuse", "admit"], Field(exclude_if=_is_admit)] = "admit"
    """What becomes of captions that a model wrote. Refused, a corpus takes the source's own words alone."""
    languages: Annotated[tuple[str, ...], Field(exclude_if=_is_empty)] = ()
    """ISO 639 codes: captions that are surely in another language, by the detector of the corpus (`[language]` in its
    config), are refused. None: any language will do."""
    min_language_score: Annotated[float, Field(gt=0, le=1, exclude_if=_is_sure)] = SURE
    """How sure the detector must be for that. It is not of a word or two, which are then admitted."""
    min_agreement: Annotated[float | None, Field(gt=0, le=1, exclude_if=_is_none)] = None
    """Least F1 of the words of the caption and of that of one of the corpus' other captioners (`[captions.<name>]`)
    which agrees with it best. Where no other wrote anything, nothing speaks against it."""

    @model_validator(mode="after")
    def _some_length(self) -> "CaptionRules":
        if self.max_characters is not None and self.max_characters < self.min_characters:
            raise ValueError(
                f"no caption has {self.min_characters} characters at least and {self.max_characters} at most"
            )
        return self


class SplitRules(BaseModel, frozen=True, extra="forbid"):
    """What is held out from training, to measure on."""

    heldout_fraction: float = Field(0.05, ge=0, lt=1)
    """Share of the pictures that is chosen, by their digests. What is chosen is held out only when all that it looks
    like are, too."""
    radius_bits: int = Field(31, ge=0, le=31)
    """Pictures whose hashes are this near in any view, or that others link, are on one side, whatever their colors."""


class EvaluationRules(BaseModel, frozen=True, extra="forbid"):
    """What may not be trained on because something is measured with it: the `evaluation_sets` of the corpus."""

    radius_bits: int = Field(31, ge=0, le=31)
    """A picture this near one of them is refused, whatever the colors: better one too few."""


class CapRules(BaseModel, frozen=True, extra="forbid"):
    """How much of a release may come from one hand, or say one thing. Which samples stay is decided by their digests,
    and each cap counts what the rules before it admit."""

    max_per_creator: Annotated[int | None, Field(ge=1, exclude_if=_is_none)] = None
    """Samples by one creator of one source."""
    max_per_caption: Annotated[int | None, Field(ge=1, exclude_if=_is_none)] = None
    """Samples whose captions have the same words in the same order, whatever their case: a caption of many pictures
    says little of any. Counted after the cap on creators."""

    @model_validator(mode="after")
    def _caps_something(self) -> "CapRules":
        if self.max_per_creator is None and self.max_per_caption is None:
            raise ValueError("max_per_creator, max_per_caption or both are needed; or leave the table out")
        return self


class ReleaseRules(BaseModel, frozen=True, extra="forbid"):
    """What whoever uses the release takes over."""

    obligations: tuple[Obligation, ...] = ()
    """Every obligation that an admitted license brings must be named here."""


class RecordRules(BaseModel, frozen=True, extra="forbid"):
    """The rules that look at one record at a time, and so may differ by source."""

    license: LicenseRules
    credit: CreditRules = CreditRules()
    consent: ConsentRules = ConsentRules()
    recheck: RecheckRules = RecheckRules()
    image: ImageRules = ImageRules()
    safety: SafetyRules | None = None
    caption: CaptionRules = CaptionRules()
    metrics: Annotated[dict[str, MetricRules], Field(exclude_if=_is_empty)] = {}
    """Metric -> its bounds. A policy without any says nothing of them, so that its digest is what it always was."""
    rules: Annotated[dict[str, dict[str, Any]], Field(exclude_if=_is_empty)] = {}
    """Rule of an extension (`catalog.policies.custom_rules`) -> its settings."""


class Policy(RecordRules, frozen=True, extra="forbid"):
    """All rules of a release. Its digest is in the manifest."""

    duplicates: DuplicateRules
    split: SplitRules = SplitRules()
    evaluation: EvaluationRules = EvaluationRules()
    caps: CapRules | None = None
    release: ReleaseRules = ReleaseRules()
    sources: dict[str, dict[str, dict[str, Any]]] = {}
    """Source -> table -> the keys in which the rules for its records differ, e.g. `[sources.yfcc.image]`."""

    @model_validator(mode="after")
    def _consistent(self) -> "Policy":
        for source in self.sources:
            try:
                rules = self.rules_of(source)
            except ValidationError as error:
                raise ValueError(explained(error, RecordRules, inside=("sources", source))) from error
            self._covers(rules.license, f"sources.{source}.license")
        self._covers(self.license, "license")
        return self

    def _covers(self, rules: LicenseRules, where: str) -> None:
        for name in rules.families:
            for obligation in sorted(obligations_of(name) - set(self.release.obligations)):
                raise ValueError(
                    f"[{where}] admits {name}, which asks for {obligation}, and release.obligations does not name it"
                )

    @property
    def families(self) -> tuple[str, ...]:
        """All license families that the rules of any source admit, those of the general rules first."""
        admitted = [self.license, *(self.rules_of(source).license for source in sorted(self.sources))]
        return tuple(dict.fromkeys(name for rules in admitted for name in rules.families))

    def rules_of(self, source: str) -> RecordRules:
        """Return the rules for the records of a source: the general ones with the source's differences."""
        general = self.model_dump(include=set(RecordRules.model_fields))
        for table, differences in self.sources.get(source, {}).items():
            general[table] = {**(general.get(table) or {}), **differences}
        return RecordRules.model_validate(general)


def choose_license(spdx: str, rules: LicenseRules) -> str:
    """Return the license that is made use of: of a choice (`A OR B`) the most wanted side that the rules admit.

    What they do not admit is returned as it is.
    """
    admitted = [side for side in choices(spdx) if family(side) in rules.families]
    return min(admitted, key=lambda side: (license_rank(side, rules), side), default=spdx)


def license_rank(spdx: str, rules: LicenseRules) -> int:
    """Return the place of a license in the policy's order; the lower is the more wanted."""
    kind = family(spdx)
    return rules.families.index(kind) if kind in rules.families else len(rules.families)
