"""A draft of the public summary of training content that Article 53(1)(d) of the EU's AI Act asks for."""

from byline.catalog.corpora.manifest import Manifest
from byline.pipelines.releases.papers.account import Account, SourceAccount
from byline.pipelines.releases.papers.card import ROOM
from byline.pipelines.releases.papers.escaping import markdown_code, markdown_templates
from byline.pipelines.releases.papers.wording import READERS, captions_by, refusals, rules_of

PUBLIC_DATASETS = ("yfcc",)
"""Readers whose records are a dataset that others compiled and published."""


def training_content_summary(account: Account) -> bytes:
    """Return the draft, by the sections of the Commission's template of 24 July 2025.

    What was counted is filled in; all else is marked as the provider's to fill in, and nothing is guessed.
    """
    domains = account.domains
    top = domains[: top_tenth(len(domains))]
    by_reader = [(source, READERS.get(source.reader)) for source in account.sources]
    rendered = (
        markdown_templates(ROOM)
        .get_template("training-content-summary.md.j2")
        .render(
            account=account,
            counts=account.manifest.counts,
            image_range=image_range(account.manifest),
            public=[pair for pair in by_reader if pair[0].reader in PUBLIC_DATASETS],
            other=[pair for pair in by_reader if pair[0].reader not in PUBLIC_DATASETS],
            timeframe=account.timeframe,
            num_domains=len(domains),
            top=top,
            num_in_top=sum(count for _, count in top),
            captions=captions_by(account),
            consent_rules=rules_of(account, "consent"),
            license_rules=rules_of(account, "license", "credit"),
            safety_rules=rules_of(account, "safety"),
            safety_instrument=account.manifest.instruments.get("safety"),
            refused=_refused(account),
            period=_period,
        )
    )
    return rendered.encode()


def top_tenth(num_domains: int) -> int:
    """Return how many domains the template's top 10 % are, rounded up."""
    return -(-num_domains // 10)


def image_range(manifest: Manifest) -> str:
    """Return the template's size range of the pictures."""
    num_images = manifest.counts["admitted"]
    if num_images < 10**6:
        return "Less than 1 million images"
    return "1 million to 1 billion images" if num_images <= 10**9 else "More than 1 billion images"


def _refused(account: Account) -> dict[str, int]:
    """Return records refused by the first word of their reasons; one with two reasons of a kind counts twice."""
    kinds: dict[str, int] = {}
    for reason, count, _ in refusals(account):
        kind = reason.split(":")[0]
        kinds[kind] = kinds.get(kind, 0) + count
    return kinds


def _period(source: SourceAccount) -> str:
    if source.first_retrieved_at and source.last_retrieved_at:
        return f"{markdown_code(source.first_retrieved_at)} to {markdown_code(source.last_retrieved_at)}"
    return "not stated by the source"
