"""The report on memorization: what of a release a model may come to give back, as numbers and as a page of bars.

No number in it is a probability. It counts what the literature has found to go along with memorization.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from byline.pages.html import html_templates
from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.escaping import json_bytes, plain
from byline.pipelines.releases.papers.memorization_counts import BINS, CaptionCounts, CreatorCounts

DIGITS = 6
"""Digits after the point of shares and means."""


def memorization_json(account: Account) -> bytes:
    """Return the numbers. What the verdicts of a release do not say is null."""
    risk = account.memorization
    return json_bytes(
        {
            "release": account.manifest.name,
            "content": account.content,
            "copies_left": None if risk.copies_left is None else asdict(risk.copies_left),
            "copies_taken_out": _taken_out(account),
            "captions": _captions(risk.captions),
            "captions_of_train": _captions(risk.train_captions),
            "creators": _creators(risk.creators),
        }
    )


def memorization_html(account: Account) -> bytes:
    """Return the page: one file without scripts; its policy (CSP) lets nothing be loaded and nothing run."""
    risk = account.memorization
    page = html_templates("byline.pipelines.releases.papers").get_template("memorization-risk.html.j2")
    rendered = page.render(
        name=plain(account.manifest.name),
        content=account.content,
        counts=_totals(account),
        left=None
        if risk.copies_left is None
        else {"bars": bars(risk.copies_left.pictures), **asdict(risk.copies_left)},
        taken_out=_taken_out(account),
        before=bars(risk.copies_taken_out.records),
        captions=[
            (words, _captions(counts), bars(counts.samples))
            for words, counts in (("all samples", risk.captions), ("training samples", risk.train_captions))
        ],
        creators=_creators(risk.creators),
        creator_bars=[(plain(name), num, num / risk.creators.num_samples) for name, num in risk.creators.largest],
        plain=plain,
    )
    return rendered.encode()


def _totals(account: Account) -> list[tuple[int, str, str]]:
    risk = account.memorization
    num_samples, left, near = risk.creators.num_samples, risk.copies_left, "with another one near"
    num_near = [] if left is None else [(num_samples - left.pictures["0"], near, near)]
    return [
        (num_samples, "picture in the release", "pictures in the release"),
        *num_near,
        (risk.copies_taken_out.num_copies, "copy taken out", "copies taken out"),
        (risk.captions.num_shared, "shares its caption", "share their caption"),
        (risk.creators.num_creators, "creator", "creators"),
    ]


def bars(counts: Mapping[str, int]) -> list[tuple[str, int, float]]:
    """Return (bin, count, share) in the order of the bins."""
    total = sum(counts.values())
    return [(name, counts[name], _share(counts[name], total)) for name in BINS if name in counts]


def _taken_out(account: Account) -> dict[str, Any]:
    risk, reasons = account.memorization.copies_taken_out, account.manifest.reasons
    in_large = [sum(count for name, count in risk.records.items() if BINS[name] >= least) for least in (10, 100)]
    return {
        **asdict(risk),
        "mean_of_records": round(risk.mean_of_records, DIGITS),
        "num_distinct": risk.num_distinct,
        "mean": _share(risk.num_records, risk.num_distinct),
        "share_in_clusters_of_10": _share(in_large[0], risk.num_records),
        "share_in_clusters_of_100": _share(in_large[1], risk.num_records),
        "reasons": {reason: count for reason, count in sorted(reasons.items()) if reason.startswith("duplicate:")},
    }


def _captions(counts: CaptionCounts) -> dict[str, Any]:
    return {
        **asdict(counts),
        "num_shared": counts.num_shared,
        "share_shared": _share(counts.num_shared, counts.num_samples),
    }


def _creators(counts: CreatorCounts) -> dict[str, Any]:
    return {
        **asdict(counts),
        "effective_number": round(counts.effective_number, DIGITS),
        "top": {str(number): samples for number, samples in counts.top.items()},
        "top_shares": {str(number): _share(samples, counts.num_samples) for number, samples in counts.top.items()},
        "num_over": {str(number): creators for number, creators in counts.num_over.items()},
        "largest": [{"creator": name, "num_samples": num} for name, num in counts.largest],
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, DIGITS) if whole else 0.0
