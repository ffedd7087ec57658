"""Seeds that only what they are for decides."""

import hashlib


def seed_from(*parts: int | str) -> int:
    """Return a seed in `[0, 2^63)` that only `parts` decide."""
    text = ":".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
