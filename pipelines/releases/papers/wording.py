"""Sentences that several papers share, made from counts and from the policy as data."""

from collections.abc import Iterator, Mapping
from typing import Any

from byline.catalog.policies.rules import FIRST_WORDS
from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.licenses import license_words

READERS = {
    "commons": "answers in the form of Wikimedia Commons' API",
    "csv": "a table of text with a header row",
    "openverse": "answers in the form of Openverse's API",
    "parquet": "a table in Parquet, as LAION and DataComp publish theirs",
    "yfcc": "metadata in the form of the dataset YFCC100M",
}
"""Reader -> what it reads. Whether a file of that form comes from there, byline cannot tell."""
REASONS = {
    "license": "the license is not admitted, or not understood",
    "creator": "the license asks for credit, and no creator is stated",
    "title": "the policy asks for a title, and none is stated",
    "source": "the policy asks for a source page, and none is stated",
    "consent": "the host or owner speaks against training, or says nothing where the policy wants a word",
    "fetch": "the picture could not be fetched or decoded",
    "image": "size or shape, nothing in it, or made by a model",
    "quality": "contrast, sharpness or flatness",
    "safety": "not fit to be shown, or not measured",
    "duplicate": "another copy of the same picture was kept",
    "caption": "no caption, or one that is too short or says what the policy refuses",
    "quarantine": "copies whose licenses disagree, or what hosts give in place of pictures that they lack",
    "recheck": "asked for again later, the picture was removed, opted out or relicensed",
    "denied": "taken down",
    "cap": "too many by one creator, or with one caption",
}
"""First word of a reason -> what it means."""
ADDED = "outside the bounds that the policy sets to a metric, or refused by a rule that is no part of byline"
"""What any other reason means: those of ours are in `catalog.policies.rules.FIRST_WORDS`."""
OBLIGATIONS = {
    "attribution": "Credit the creators: pass credits.txt, credits.parquet or credits.html on with the pictures, and "
    "say that the pictures were changed.",
    "share-alike": "Share what you adapt from a share-alike picture under the same license. byline does not decide "
    "whether a model is an adaptation.",
    "non-commercial": "No commercial use: some pictures are licensed for other uses only.",
}
TAKEDOWN = (
    "A picture is taken out with byline takedown (see byline takedown --help). It is then refused whenever it is "
    "offered again. Of a release only the shards that held it are written anew, and without it the release has another "
    "version."
)


def description(account: Account) -> str:
    """Return what the release is, in one paragraph."""
    counts, licenses = account.manifest.counts, account.manifest.licenses
    listed = ", ".join(f"{license_words(spdx)} ({count:,})" for spdx, count in _by_count(licenses))
    return (
        f"{counts['admitted']:,} pictures with captions, of {counts['records']:,} that the sources offered. Each is "
        f"licensed and credited by itself: {listed}. Each picture was changed: {plain(account.changes)}."
    )


def _by_count(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def refusals(account: Account) -> list[tuple[str, int, str]]:
    """Return (reason, records that it refused, what it means), the most frequent first."""
    return [(reason, count, _meaning(reason.split(":")[0])) for reason, count in _by_count(account.manifest.reasons)]


def _meaning(first_word: str) -> str:
    return REASONS.get(first_word, "" if first_word in FIRST_WORDS else ADDED)


def rules(policy: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the policy as (dotted key, value as text), in the order of its keys; what is left out is not a rule."""
    for key in sorted(policy):
        value = policy[key]
        if isinstance(value, Mapping):
            yield from rules(value, f"{prefix}{key}.")
        elif value is not None:
            listed = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            yield f"{prefix}{key}", plain(listed) or "none"


def rules_of(account: Account, *tables: str) -> str:
    """Return the rules of some tables of the policy as one line; empty when it has none of them.

    After the general ones come those in which the rules of a source differ: `sources.<name>.<table>.<key>`.
    """
    own = sorted(account.policy.get("sources", {}).items())
    places = [(account.policy, ""), *((tables_of, f"sources.{source}.") for source, tables_of in own)]
    stated_rules = [rule for policy, prefix in places for table in tables for rule in _table(policy, table, prefix)]
    return "; ".join(f"{key} = {value}" for key, value in stated_rules)


def _table(policy: Mapping[str, Any], name: str, prefix: str) -> Iterator[tuple[str, str]]:
    if isinstance(policy.get(name), Mapping):
        yield from rules(policy[name], f"{prefix}{name}.")


def captions_by(account: Account) -> str:
    """Return who wrote the captions, in one sentence."""
    captioner = account.captioner
    if not account.has_model_captions:
        return (
            f"Captions are the sources' own words (title, else tags), cleaned by byline's source-text captioner, "
            f"version {plain(captioner['revision'])}; no model wrote any."
        )
    prompt = f"prompt {plain(captioner['prompt'])!r}" if captioner["prompt"] else "no prompt"
    return (
        f"Captions were written by {plain(captioner['model'])}, revision {plain(captioner['revision'])}, with {prompt} "
        f"and decoding {plain(captioner['decoding'])}; no person checked them."
    )
