"""A plan as data: what `byline plan --json` prints. Keys stay; equal plans are equal."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import digest_of
from byline.catalog.policies.policy import Policy
from byline.pipelines.rights.plans.comparing import Tally
from byline.pipelines.rights.plans.creator_changes import CreatorChange
from byline.pipelines.rights.plans.plan_sources import AS_INGESTED, LEFT_OUT
from byline.pipelines.rights.plans.shard_plan import PlannedShard

Words = npt.NDArray[np.uint64]


class _Part(BaseModel, frozen=True, extra="forbid"):
    """A part of a plan."""


class Change(_Part):
    """Records that are admitted newly, or no longer."""

    records: int
    images: int
    """Pictures of these records that no other record of the other side shows."""
    by_license: dict[str, int]
    by_source: dict[str, int]
    by_reason: dict[str, int]
    """Reason -> records: of removed ones what refuses them now, of added ones what refused them before. A record can
    have several reasons."""


class Wanted(_Part):
    """What a build would make first, for records that it would then judge again."""

    records: int
    by_license: dict[str, int]
    by_source: dict[str, int]


class Shards(_Part):
    """What becomes of the shards, one for each pack and split."""

    kept: int
    found: int
    """Shards that are on disk, though not the release's: an older release has the same samples."""
    written: int
    dropped: int
    bytes_kept: int
    """Bytes of the shards that are kept or found; nothing of them is written."""
    bytes_to_write: int
    bytes_copied: int
    """Least number of the bytes to write that are copied from the release's shards."""
    changed: tuple[PlannedShard, ...]
    """All shards that are not kept, by pack and split."""


class Plan(_Part):
    """What `byline build` would do under a policy."""

    name: str
    before: str | None
    """Version of the release that the plan is compared with; null when there is none."""
    policy_before: str | None
    policy: str
    """Digest of the policy; `policy_before` is that of the release's."""
    sources: dict[str, str]
    """Source -> state; only what is `as ingested` is planned whole."""
    is_exact: bool
    """Whether nothing is to be ingested, fetched, measured or captioned first, so that the build does just this."""
    is_empty: bool
    """Whether nothing would be left, so that the build would make no release."""
    counts_before: dict[str, int]
    counts: dict[str, int]
    """Counts named as in a manifest: `records`, `admitted`, `refused`, `duplicates`, `train`, `heldout`; and
    `waiting`."""
    licenses: dict[str, int]
    """License -> admitted samples."""
    admitted_by_source: dict[str, int]
    reasons_before: dict[str, int]
    reasons: dict[str, int]
    """Reason -> records that it refuses."""
    added: Change
    removed: Change
    promoted: int
    """Added records that another picture stood for."""
    relicensed: dict[str, int]
    """`old -> new` license of samples that stay."""
    moved: dict[str, int]
    """`old -> new` split of samples that stay."""
    creators: tuple[CreatorChange, ...]
    """The creators with the most pictures added and removed."""
    to_fetch: Wanted
    to_fetch_again: int
    """Records whose picture did not arrive for a reason that may have passed."""
    to_caption: Wanted
    captions: dict[str, int]
    """Instrument -> pictures, or texts, that it has yet to caption, each once."""
    to_measure: int
    """Pictures that an interrupted build, or one that measured less, left without measures."""
    latents: dict[str, int]
    """Instrument -> training pictures without latents by it; empty when the corpus has no latents."""
    shards: Shards


@dataclass
class Totals:
    """What was found so far, over packs."""

    tally: Tally = field(default_factory=Counter)
    added: list[Words] = field(default_factory=list)
    removed: list[Words] = field(default_factory=list)
    """First 64 bits of the digests of pictures."""
    shards: list[PlannedShard] = field(default_factory=list)
    latents: Counter[str] = field(default_factory=Counter)
    captions: Counter[str] = field(default_factory=Counter)


def plan_of(
    totals: Totals,
    *,
    name: str,
    release: Release | None,
    policy: Policy,
    sources: dict[str, str],
    creators: Iterable[CreatorChange],
) -> Plan:
    """Put a plan together."""
    tally = totals.tally
    added, removed = (np.concatenate([np.zeros(0, np.uint64), *words]) for words in (totals.added, totals.removed))
    num_shared = _num_shared(added, removed)
    num_waiting = sum(tally[what, "", ""] for what in ("fetch", "again", "captions", "measure"))
    counts = _counts(tally)
    return Plan(
        name=name,
        before=release.version if release else None,
        policy_before=release.manifest.policy_digest if release else None,
        policy=digest_of(policy),
        sources=sources,
        is_exact=not num_waiting and set(sources.values()) <= {AS_INGESTED, LEFT_OUT},
        is_empty=not counts["admitted"],
        counts_before=release.manifest.counts if release else {},
        counts=counts,
        licenses=_by(tally, "after", "license"),
        admitted_by_source=_by(tally, "after", "source"),
        reasons_before=release.manifest.reasons if release else {},
        reasons=_by(tally, "after", "reason"),
        added=_change(tally, "added", len(added) - num_shared),
        removed=_change(tally, "removed", len(removed) - num_shared),
        promoted=_num_duplicates(tally, "added"),
        relicensed=_by(tally, "relicensed", "licenses"),
        moved=_by(tally, "moved", "splits"),
        creators=tuple(creators),
        to_fetch=_wanted(tally, "fetch"),
        to_fetch_again=tally["again", "", ""],
        to_caption=_wanted(tally, "captions"),
        captions={name: number for name, number in sorted(totals.captions.items()) if number},
        to_measure=tally["measure", "", ""],
        latents=dict(sorted(totals.latents.items())),
        shards=_shards(totals.shards),
    )


def _num_shared(words: Words, other: Words) -> int:
    """Return how many words are in both."""
    few, many = sorted((words, other), key=len)
    begins = np.zeros(1 << 20, np.bool_)
    begins[few >> np.uint64(44)] = True  # most words of a large side begin like none of a small one
    return len(np.intersect1d(few, many[begins[many >> np.uint64(44)]]))


def _by(tally: Tally, what: str, by: str) -> dict[str, int]:
    return {key[2]: number for key, number in sorted(tally.items()) if key[:2] == (what, by) and number}


def _num_duplicates(tally: Tally, what: str) -> int:
    """Return how many records are duplicates; a record is one in one way only."""
    return sum(number for why, number in _by(tally, what, "reason").items() if why.startswith("duplicate:"))


def _counts(tally: Tally) -> dict[str, int]:
    records, admitted, waiting = (tally[what, "", ""] for what in ("records", "after", "waiting"))
    heldout = tally["heldout", "", ""]
    return {
        "records": records,
        "admitted": admitted,
        "refused": records - admitted - waiting,
        "duplicates": _num_duplicates(tally, "after"),
        "train": admitted - heldout,
        "heldout": heldout,
        "waiting": waiting,
    }


def _change(tally: Tally, what: str, images: int) -> Change:
    by = {f"by_{kind}": _by(tally, what, kind) for kind in ("license", "source", "reason")}
    return Change(records=tally[what, "", ""], images=images, **by)


def _wanted(tally: Tally, what: str) -> Wanted:
    by = {f"by_{kind}": _by(tally, what, kind) for kind in ("license", "source")}
    return Wanted(records=tally[what, "", ""], **by)


def _shards(shards: list[PlannedShard]) -> Shards:
    times = Counter(shard.action for shard in shards)
    sizes = {action: sum(shard.num_bytes for shard in shards if shard.action in action) for action in _STAY}
    return Shards(
        kept=times["kept"],
        found=times["found"],
        written=times["written"],
        dropped=times["dropped"],
        bytes_kept=sizes[_STAY[0]],
        bytes_to_write=sizes[_STAY[1]],
        bytes_copied=sum(shard.copied_bytes for shard in shards),
        changed=tuple(sorted((s for s in shards if s.action != "kept"), key=lambda s: (s.pack, s.split))),
    )


_STAY = (("kept", "found"), ("written",))
