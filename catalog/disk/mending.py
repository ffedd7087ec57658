"""What to do about a damaged file of a corpus: the command that makes it again, where one does."""

import re

from byline.catalog.disk import layout

_RULES = (
    (rf"{layout.FACTS}/(edges|similar)/.*", "delete it and build again: byline build CONFIG"),
    (rf"{layout.FACTS}/(latents|text)/.*", "delete it and the later segments of its pack, then: byline train CONFIG"),
    (rf"{layout.FACTS}/.*", "delete it and the later segments of its pack, then: byline build CONFIG"),
    (rf"{layout.PACKS}/.*\.json", "delete it; nothing reads it"),
    (
        rf"{layout.PACKS}/.*",
        "restore it; or delete what its pack has from this segment on, and byline build CONFIG asks for these again",
    ),
    (rf"{layout.RECHECKS}/.*\.json", "delete it, then: byline recheck RELEASE"),
    (
        rf"{layout.RECHECKS}/.*",
        "restore it; or delete it and the later segments of its pack, then: byline recheck RELEASE",
    ),
    (
        rf"{layout.RECORDS}/.*",
        "delete all of its run and build again, which reads the source anew: byline build CONFIG",
    ),
    (rf"({layout.JUDGEMENTS}|{layout.FETCHING})/.*", "delete it and build again: byline build CONFIG"),
    (rf"{layout.SHARDS}/.*", "delete it and build again: byline build CONFIG"),
    (rf"{layout.RELEASES}/.*/.*/{re.escape(layout.WITHDRAWN)}", "restore it: it says what was taken down"),
    (
        rf"{layout.RELEASES}/.*/.*/{re.escape(layout.WITHDRAWN_SAMPLES)}",
        "restore it: it says what checkpoints saw of what was taken down",
    ),
    (rf"{layout.RELEASES}/.*", "delete it and build again: byline build CONFIG"),
    (rf"{layout.EVALUATION}/.*", "delete it and build again, which copies it from its set: byline build CONFIG"),
    (rf"{layout.WRITTEN}/.*", "delete it, once you know of all pages and exports of this corpus: it names one"),
    (rf"{layout.BUILDS}/.*", "delete it; no release depends on it"),
    (
        rf"({layout.DENYLIST}|{layout.RECEIPTS}|{layout.TAKEDOWNS})/.*",
        "restore it: it says what was taken down, and nothing else does",
    ),
)
_ELSE = "restore it"


def how_to_mend(path: str) -> str:
    """Return what to do about a damaged file at `path`, relative to the corpus."""
    return next((what for pattern, what in _RULES if re.fullmatch(pattern, path)), _ELSE)
