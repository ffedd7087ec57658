"""A removed picture, and what is left of it in the files of a corpus."""

from hashlib import sha256
from pathlib import Path

import numpy as np

from byline.catalog.disk.storage import Store
from byline.pipelines.rights.takedown.scan import fingerprints, scan
from tests.builders import a_picture, encoded

KEY = b"a key of a corpus"
VICTIM = encoded(a_picture(1, size=(256, 256)), quality=95)
SAMPLES = Path(__file__).parents[4] / "samples"
DATA = VICTIM[VICTIM.index(b"\xff\xda") + 14 :]
"""Roughly its entropy-coded data."""


def noise(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def hits_in(root, *victims, kept=(), kept_keys=()):
    values = [fingerprints(victim, KEY) for victim in victims or (VICTIM,)]
    digests = {sha256(picture).hexdigest() for picture in kept}
    return list(
        scan(
            Store(str(root)),
            np.unique(np.concatenate(values)),
            KEY,
            is_kept=digests.__contains__,
            is_kept_key=set(kept_keys).__contains__,
        )
    )


def found_in(root, *victims, **kept):
    return [(hit.path, hit.kind) for hit in hits_in(root, *victims, **kept)]


def put(root, path, data):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(data)


def a_twin():
    """Return two JPEGs with the same data at their start and other data behind."""
    first = a_picture(1, size=(256, 256))
    second = first.copy()
    second.paste(a_picture(2, size=(256, 128)), (0, 128))
    return encoded(first, quality=95), encoded(second, quality=95)
