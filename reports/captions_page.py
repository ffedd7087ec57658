"""Lay out the captions of a release as one HTML page that needs no other file."""

from collections import Counter
from typing import Any

from byline.catalog.caption_flags import CAPTION_FLAGS
from byline.catalog.corpora.manifest import Release
from byline.catalog.licenses.reading import license_url
from byline.pages.html import html_templates, safe_url
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.licenses import license_words
from byline.reports.captions import LONGEST_WORDS, ByCaptioner, Captioned, Captions

MOST_COMMON = 12
MAX_CHARACTERS = 200
"""Longest title or creator that is shown, in characters."""
SHORTEST_WORD = 3
"""Letters of a word that the list of common words has: below are articles."""
Shown = dict[str, Any]
FLAG_WORDS = {
    "url": "an address of the web or of mail",
    "mark": "an agency's name, or words of ownership",
    "nothing": "a word for nothing, or words about a download",
    "repeats": "the same words three times in a row",
    "creator": "whose picture it is",
    "name": "somebody, as addressed, or a name of the title",
}
"""Flag -> what such a caption has."""


def captions_page(release: Release, captions: Captions) -> bytes:
    """Return the page. What sources and models said is escaped; equal releases give equal bytes."""
    captioners = [_captioner(plain(name), counts) for name, counts in captions.by_captioner.items()]
    num_captions = sum(counts.num_captions for counts in captions.by_captioner.values())
    return (
        html_templates("byline.reports")
        .get_template("captions.html.j2")
        .render(
            name=plain(release.name),
            version=release.version,
            captioners=captioners,
            totals_shown=[
                (captions.num_pictures, "picture", "pictures"),
                (num_captions, "caption", "captions"),
                (len(captioners), "captioner", "captioners"),
            ],
            num_left_out=captions.num_pictures - len(captions.shown),
            pictures=[_picture(picture) for picture in captions.shown],
            flags=[
                flag for flag in CAPTION_FLAGS if any(counts.flags[flag] for counts in captions.by_captioner.values())
            ],
            flag_words=FLAG_WORDS,
        )
        .encode()
    )


def _captioner(name: str, written: ByCaptioner) -> Shown:
    return {
        "name": name,
        "totals": [
            (written.num_captions, "caption", "captions"),
            (len(written.captions), "distinct", "distinct"),
            (written.num_shared, "that another picture has too", "that other pictures have too"),
            (written.num_empty, "empty", "empty"),
            (len(written.words), "different word", "different words"),
        ],
        "mean_words": f"{written.mean_words:.1f}",
        "mean_agreement": f"{written.mean_agreement:.2f}" if written.num_compared else "",
        "lengths": _lengths(written),
        "words": _most_common(_long_words(written.words), written.num_captions),
        "captions": _most_common(
            Counter({text: n for text, n in written.captions.items() if n > 1}), written.num_captions
        ),
        "flags": [
            (FLAG_WORDS[flag], written.flags[flag], written.flags[flag] / written.num_captions)
            for flag in CAPTION_FLAGS
        ],
    }


def _lengths(written: ByCaptioner) -> list[tuple[str, int, float]]:
    longest = max(written.lengths)
    return [
        (f"{length}{' or more' if length == LONGEST_WORDS else ''}", written.lengths[length], share)
        for length in range(longest + 1)
        if (share := written.lengths[length] / written.num_captions)
    ]


def _long_words(words: Counter[str]) -> Counter[str]:
    return Counter({word: times for word, times in words.items() if len(word) >= SHORTEST_WORD})


def _most_common(counter: Counter[str], total: int) -> list[tuple[str, int, float]]:
    first = sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:MOST_COMMON]
    return [(_short(text) or "(empty)", times, times / total) for text, times in first]


def _picture(captioned: Captioned) -> Shown:
    facts = captioned.facts
    return {
        "url": captioned.picture,
        "record_id": plain(facts.get("record_id")),
        "title": _short(facts.get("title")),
        "creator": _short(facts.get("creator")),
        "creator_url": safe_url(plain(facts.get("creator_url"))),
        "license": plain(license_words(facts["license"])) if facts.get("license") else "",
        "license_url": license_url(facts["license"]) if facts.get("license") else None,
        "page": safe_url(plain(facts.get("landing_url") or facts.get("url"))),
        "captions": [
            {"captioner": plain(caption.captioner), "text": plain(caption.text), "flags": caption.flags}
            for caption in captioned.captions
        ],
        "flags": sorted({flag for caption in captioned.captions for flag in caption.flags}),
    }


def _short(text: str | None) -> str:
    line = plain(text)
    return line if len(line) <= MAX_CHARACTERS else f"{line[:MAX_CHARACTERS]}..."
