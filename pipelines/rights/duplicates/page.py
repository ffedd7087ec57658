"""Lay out clusters of duplicates as one HTML page that needs no server and no network."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from byline.catalog.corpora.manifest import Release
from byline.catalog.digests import sha256_hex
from byline.catalog.licenses.reading import license_url
from byline.pages.html import html_templates, jpeg_url, safe_url
from byline.pipelines.releases.papers.distances import distance_text
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.licenses import license_words
from byline.pipelines.releases.papers.wording import REASONS
from byline.pipelines.rights.duplicates.collecting import Cluster, Duplicates, Picture
from byline.pipelines.rights.duplicates.ledger import CONFLICT
from byline.pipelines.rights.duplicates.words import kind_of, size_text, why_kept

MAX_CHARACTERS = 200
"""Longest title or creator that is shown, in characters; sources may say anything, at any length."""
MAX_URL_CHARACTERS = 1_000
"""Longest URL that is made a link, in characters."""
ALIKE_BITS = 256
"""What a copy that only an embedding finds is sorted by: farther than any that hashes find."""
Shown = dict[str, Any]


def page(release: Release, duplicates: Duplicates) -> bytes:
    """Return the page. Everything that a source said is escaped, and only the page's own script and styles are used.

    Each thumbnail is in it once, however many records have it. Equal releases give equal bytes.
    """
    sheet, places = _sheet(duplicates.thumbnails)
    clusters = [_cluster(cluster, duplicates, places) for cluster in duplicates.clusters]
    copies = [copy for cluster in clusters for copy in cluster["copies"]]
    ledger = duplicates.ledger
    return (
        html_templates("byline.pipelines.rights.duplicates")
        .get_template("duplicates.html.j2")
        .render(
            name=plain(release.name),
            version=release.version,
            order=[plain(key) for key in duplicates.policy.duplicates.keeper_order],
            radius_bits=duplicates.policy.duplicates.radius_bits,
            min_cosine=duplicates.policy.duplicates.min_cosine,
            totals_shown=[
                (ledger.num_clusters, "cluster", "clusters"),
                (ledger.num_copies, "copy", "copies"),
                (ledger.num_same_bytes, "with the keeper's bytes", "with the keeper's bytes"),
                (ledger.num_conflicts, "in license conflict", "in license conflict"),
            ],
            num_clusters=ledger.num_clusters,
            num_left_out=ledger.num_clusters - len(ledger.chosen),
            num_taken_down=duplicates.num_taken_down,
            num_lost=duplicates.num_lost,
            clusters=clusters,
            sheet=sheet,
            greatest_bits=max((copy["bits"] for copy in copies if copy["bits"] is not None), default=0),
            greatest_size=max((cluster["size"] for cluster in clusters), default=1),
            choices=_choices(clusters),
        )
        .encode()
    )


def _sheet(thumbnails: Mapping[str, bytes]) -> tuple[Markup, dict[str, int]]:
    """Return a style sheet with every distinct thumbnail once, and the number of the one of each picture."""
    numbers: dict[str, int] = {}
    rules: list[str] = []
    places: dict[str, int] = {}
    for sha256 in sorted(thumbnails):
        jpeg = thumbnails[sha256]
        number = numbers.setdefault(sha256_hex(jpeg), len(numbers))
        if number == len(rules):
            rules.append(f".t{number}{{background-image:url({jpeg_url(jpeg)})}}")
        places[sha256] = number
    return Markup("\n".join(rules)), places


def _cluster(cluster: Cluster, duplicates: Duplicates, places: Mapping[str, int]) -> Shown:
    keeper = cluster.keeper
    copies = [_copy(copy, cluster, duplicates, places) for copy in cluster.copies]
    members = [*cluster.copies] if keeper is None else [keeper, *cluster.copies]
    is_conflict = any(CONFLICT in picture.reasons for picture in members)
    whys = Counter(copy["why"].partition(":")[0] for copy in copies if copy["why"])
    return {
        "keeper": None if keeper is None else _picture(keeper, places),
        "copies": copies,
        "size": cluster.num_copies,
        "num_hidden": cluster.num_copies - len(copies),
        "farthest": max((ALIKE_BITS if copy["bits"] is None else copy["bits"] for copy in copies), default=0),
        "whys": [why for why, _ in whys.most_common()],
        "conflict": _licenses_of(members) if is_conflict else None,
    }


def _licenses_of(members: Iterable[Picture]) -> str:
    """Return the licenses of a cluster whose licenses ask for different things."""
    return ", ".join(sorted({plain(license_words(picture.license)) for picture in members}))


def _copy(copy: Picture, cluster: Cluster, duplicates: Duplicates, places: Mapping[str, int]) -> Shown:
    keeper = cluster.keeper
    return {
        **_picture(copy, places),
        "bits": copy.distance_bits,
        "distance": plain(distance_text(copy.distance_bits, copy.view, copy.cosine)),
        "kind": kind_of(copy, keeper),
        "why": None if keeper is None else plain(why_kept(keeper, copy, cluster.copies, duplicates.policy)),
    }


def _picture(picture: Picture, places: Mapping[str, int]) -> Shown:
    return {
        "id": plain(picture.record_id),
        "title": _short(picture.title),
        "creator": _short(picture.creator),
        "creator_url": _link(picture.creator_url),
        "license": plain(license_words(picture.license)),
        "license_url": _link(license_url(picture.license)),
        "page": _link(picture.landing_url) or _link(picture.url),
        "size": size_text(picture),
        "source": plain(picture.source),
        "reasons": [(plain(reason), REASONS.get(reason.partition(":")[0], "")) for reason in picture.reasons],
        "sha256": plain(picture.sha256),
        "place": places.get(picture.sha256 or ""),
    }


def _short(text: str | None) -> str:
    line = plain(text)
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}..."


def _link(url: str | None) -> str | None:
    safe = safe_url(plain(url))
    return safe if safe and len(safe) <= MAX_URL_CHARACTERS else None


def _choices(clusters: Sequence[Shown]) -> dict[str, list[str]]:
    """Return what can be chosen in each list of the page, sorted."""
    copies = [copy for cluster in clusters for copy in cluster["copies"]]
    pictures = [*copies, *(cluster["keeper"] for cluster in clusters if cluster["keeper"])]
    return {
        "reason": sorted({reason for copy in copies for reason, _ in copy["reasons"]}),
        "kind": sorted({copy["kind"] for copy in copies}),
        "license": sorted({picture["license"] for picture in pictures}),
        "source": sorted({picture["source"] for picture in pictures}),
    }
