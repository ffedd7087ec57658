"""The dataset card (README.md) and LICENSE.md, as the Hugging Face Hub reads them."""

import json
from typing import Any

from byline.catalog.corpora.manifest import SPLITS
from byline.catalog.disk import layout
from byline.catalog.licenses.reading import license_url
from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.croissant_rai import limitations, personal
from byline.pipelines.releases.papers.escaping import markdown_link, markdown_templates, plain
from byline.pipelines.releases.papers.licenses import hub_tag, license_words
from byline.pipelines.releases.papers.wording import OBLIGATIONS, READERS, TAKEDOWN, captions_by, refusals, rules

ROOM = "byline.pipelines.releases.papers"
"""The package that the templates lie in."""
MAX_LISTED_SHARDS = 1_000
"""Shards of a split that are listed; more are named by a pattern, since the Hub reads the whole head of a card."""
_SIZES = [10**3, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9]


def readme(account: Account) -> bytes:
    """Return README.md: YAML that the Hub understands, and the release in words and tables."""
    manifest = account.manifest
    body = (
        markdown_templates(ROOM)
        .get_template("README.md.j2")
        .render(
            account=account,
            name=manifest.name,
            counts=manifest.counts,
            refusals=refusals(account),
            licenses=_licenses(account),
            readers=READERS,
            obligations=[OBLIGATIONS[name] for name in account.obligations],
            captions=captions_by(account),
            rules=list(rules(account.policy)),
            limitations=limitations(account),
            personal=personal(account),
            takedown=TAKEDOWN,
            content=account.content,
        )
    )
    head = "".join(f"{key}: {_yaml(value)}\n" for key, value in metadata(account).items())
    return f"---\n{head}---\n\n{body}".encode()


def license_md(account: Account) -> bytes:
    """Return LICENSE.md: which licenses the pictures come under, and that each has its own."""
    rendered = (
        markdown_templates(ROOM)
        .get_template("LICENSE.md.j2")
        .render(
            name=account.manifest.name,
            licenses=_licenses(account),
            obligations=[OBLIGATIONS[name] for name in account.obligations],
        )
    )
    return rendered.encode()


def metadata(account: Account) -> dict[str, Any]:
    """Return the card's YAML as data. Its license is true of every row: `other` unless all have the same one."""
    manifest = account.manifest
    tag = hub_tag(manifest.licenses)
    named = {"license_name": "per-picture", "license_link": "LICENSE.md"} if tag == "other" else {}
    return {
        "pretty_name": plain(manifest.name),
        "license": tag,
        **named,
        "size_categories": [size_category(manifest.counts["admitted"])],
        "task_categories": ["text-to-image"],
        "annotations_creators": ["machine-generated" if account.has_model_captions else "found"],
        "tags": ["image", "text", "webdataset", "croissant", "attribution", "byline"],
        "configs": [{"config_name": "default", "data_files": _data_files(account)}],
    }


def size_category(num_rows: int) -> str:
    """Return the Hub's name for a number of rows: `n<1K`, `1K<n<10K`, ..., `n>1B`."""
    names = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    index = next((index for index, size in enumerate(_SIZES) if num_rows < size), None)
    if index is None:
        return "n>1B"
    return f"n<{names[0]}" if index == 0 else f"{names[index - 1]}<n<{names[index]}"


def _data_files(account: Account) -> list[dict[str, Any]]:
    """Return the splits' shards as they lie in a Hub repository: in `shards/`, beside the card."""
    folder = layout.SHARDS_FROM_RELEASE.rsplit("/", 2)[1]
    files = []
    for split in SPLITS:
        names = sorted(shard.name for shard in account.manifest.shards if shard.split == split)
        if len(names) > MAX_LISTED_SHARDS:
            names = [f"*-{split}-{'?' * 16}.tar"]
        if names:
            files.append({"split": split, "path": [f"{folder}/{name}" for name in names]})
    return files


def _licenses(account: Account) -> list[dict[str, Any]]:
    counts = sorted(account.manifest.licenses.items(), key=lambda item: (-item[1], item[0]))
    return [
        {"spdx": spdx, "link": markdown_link(license_words(spdx), license_url(spdx)), "count": count}
        for spdx, count in counts
    ]


def _yaml(value: Any) -> str:
    """Return plain data as YAML in flow style, which JSON is. Text is quoted, so it can say nothing but itself."""
    return json.dumps(value)
