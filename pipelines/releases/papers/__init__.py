"""The papers of a release, written from its counts and never by hand: credits, cards, metadata, summaries."""

from collections.abc import Callable

from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.card import license_md, readme
from byline.pipelines.releases.papers.credits import CREDIT_SCHEMA, credits_txt, lacking_credits
from byline.pipelines.releases.papers.credits_page import credits_html
from byline.pipelines.releases.papers.croissant import croissant_json
from byline.pipelines.releases.papers.memorization import memorization_html, memorization_json
from byline.pipelines.releases.papers.summary import training_content_summary
from byline.pipelines.releases.papers.tools import tools_json

__all__ = ["CREDIT_SCHEMA", "PAPERS", "lacking_credits", "write_papers"]

PAPERS: dict[str, Callable[[Account], bytes]] = {
    "LICENSE.md": license_md,
    "README.md": readme,
    "credits.html": credits_html,
    "credits.txt": credits_txt,
    "croissant.json": croissant_json,
    "memorization-risk.html": memorization_html,
    "memorization-risk.json": memorization_json,
    "tools.json": tools_json,
    "training-content-summary.md": training_content_summary,
}
"""File -> what writes it. credits.parquet, which they name, is `parquet_bytes(account.credits)`."""


def write_papers(account: Account) -> dict[str, bytes]:
    """Return every paper by its file's name. Equal accounts give equal bytes, on any machine and at any time."""
    return {name: write(account) for name, write in PAPERS.items()}
