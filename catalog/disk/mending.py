"""What to do about a damaged file of a corpus: the command that makes it again, where one does."""

import re

_RULES = (
    (r"facts/(edges|similar)/.*", "delete it and build again: byline build CONFIG"),
    (r"facts/(latents|text)/.*", "delete it and the later segments of its pack, then: byline train CONFIG"),
    (r"facts/.*", "delete it and the later segments of its pack, then: byline build CONFIG"),
    (r"packs/.*\.json", "delete it; nothing reads it"),
    (
        r"packs/.*",
        "restore it; or delete what its pack has from this segment on, and byline build CONFIG asks for these again",
    ),
    (r"rechecks/.*\.json", "delete it, then: byline recheck RELEASE"),
    (r"rechecks/.*", "restore it; or delete it and the later segments of its pack, then: byline recheck RELEASE"),
    (r"records/.*", "delete all of its run and build again, which reads the source anew: byline build CONFIG"),
    (r"(judgements|fetching)/.*", "delete it and build again: byline build CONFIG"),
    (r"shards/.*", "delete it and build again: byline build CONFIG"),
    (r"releases/.*/.*/withdrawn\.json", "restore it: it says what was taken down"),
    (r"releases/.*/.*/samples\.parquet", "restore it: it says what checkpoints saw of what was taken down"),
    (r"releases/.*", "delete it and build again: byline build CONFIG"),
    (r"evaluation/.*", "delete it and build again, which copies it from its set: byline build CONFIG"),
    (r"builds/.*", "delete it; no release depends on it"),
    (r"(denylist|receipts|takedowns)/.*", "restore it: it says what was taken down, and nothing else does"),
)
_ELSE = "restore it"


def how_to_mend(path: str) -> str:
    """Return what to do about a damaged file at `path`, relative to the corpus."""
    return next((what for pattern, what in _RULES if re.fullmatch(pattern, path)), _ELSE)
