"""Which pictures tiny-blip2 may learn from, and which words: concepts are held out whole, in every set."""

# Shapes: N pictures, four channels (red, green, blue, opacity), H and W height and width in pixels.

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from byline.catalog.caption_words import words_of
from samples.captioner.data import Row

HELD_OUT_SHARE = 0.15
VALIDATION_SHARE = 0.08
"""Of the concepts that are not held out, so many are not learned from either: on them the decoding is chosen."""
HELD_OUT_SET = "fxemoji"
"""A set that nothing is learned from: another hand's drawings of what is learned from the others."""
HELD_OUT, VALIDATION = "held-out.txt", "validation.txt"
"""Files in the model's folder: the pictures of samples/ that were held out, and those that decided the decoding."""
SHARED = 3
"""In how many concepts a word occurs that says what things have in common; what fewer have is a name of its own."""
_TONE = re.compile(r": *(?:(?:medium-)?(?:light|dark)|medium) skin tone", re.IGNORECASE)
_SMALL_PX, _MANY = 8, 512
_BLANK = 3.0
"""Standard deviation of bytes below which a picture shows nothing: white things on white, and what does not render."""
_NEAR = 0.01
"""Root mean square of what two pictures of 8 px may differ by, black to white being 1, to be copies."""


def pieces_of(text: str) -> list[str]:
    """Return the words of a title as captions write them: lower case, a colon with the word that it follows."""
    return re.findall(r"[^\W\d_]+:?", text.lower().replace("’", ""))


def concept_of(row: Row) -> str:
    """Return what a picture is of: its title without its skin tone, numbers and word breaks."""
    return "".join(words_of(_TONE.sub("", row.title))) or row.name


def clusters(rows: Sequence[Row], pixels_N4HW: npt.NDArray[np.uint8]) -> list[str]:
    """Return a name for each picture, equal for those of one concept, and for copies and all that is of their concepts.

    Six flags are drawn under two or three names, and photographs come again in another size.
    """
    names, which = np.unique([concept_of(row) for row in rows], return_inverse=True)
    first, second = cKDTree(_small(pixels_N4HW)).query_pairs(_NEAR, output_type="ndarray").T
    pairs = (np.ones(len(first)), (which[first], which[second]))
    _, components = connected_components(coo_array(pairs, shape=(len(names), len(names))), directed=False)
    first_name = {component: str(names[i]) for i, component in reversed(list(enumerate(components)))}
    return [first_name[components[i]] for i in which]


def is_held_out(cluster: str) -> bool:
    """Return whether nothing of a cluster is learned from, nor chosen by it. A digest of its name decides."""
    return _draw(cluster) < HELD_OUT_SHARE


def is_validation(row: Row, cluster: str) -> bool:
    """Return whether a picture is of what the decoding is chosen on: a share of the clusters that are not held out."""
    return row.of_set != HELD_OUT_SET and not is_held_out(cluster) and _draw(f"v{cluster}") < VALIDATION_SHARE


def is_learned(row: Row, cluster: str) -> bool:
    return row.of_set != HELD_OUT_SET and not is_held_out(cluster) and not is_validation(row, cluster)


def _draw(name: str) -> float:
    """Return a number in `[0, 1)` that the name decides."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32


def shows_something(pixels_N4HW: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Return which pictures are not blank on white."""
    starts = range(0, len(pixels_N4HW), _MANY)
    seen = [on_white(pixels_N4HW[start : start + _MANY]).std((1, 2, 3)) >= _BLANK for start in starts]
    return np.concatenate(seen)


def vocabulary(texts: Sequence[Sequence[str]], in_clusters: Sequence[str], *, least: int) -> list[str]:
    """Return the words that at least so many clusters have in their texts, the most common first."""
    having: dict[str, set[str]] = defaultdict(set)
    for words, cluster in zip(texts, in_clusters, strict=True):
        for word in words:
            having[word].add(cluster)
    counts = Counter({word: len(those) for word, those in having.items() if len(those) >= least})
    return [word for word, _ in sorted(counts.items(), key=lambda counted: (-counted[1], counted[0]))]


def on_white(pixels_N4HW: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return pictures over white, `(N, 3, H, W)`, as captioners see them."""
    colors, opacity = pixels_N4HW[:, :3].astype(np.uint16), pixels_N4HW[:, 3:].astype(np.uint16)
    return ((colors * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _small(pixels_N4HW: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Return pictures at 8 px as vectors whose distance is the root mean square of what differs."""
    starts = range(0, len(pixels_N4HW), _MANY)
    shown = np.concatenate([on_white(pixels_N4HW[start : start + _MANY]) for start in starts])
    n, channels, side, _ = shown.shape
    step = side // _SMALL_PX
    means = shown.reshape(n, channels, _SMALL_PX, step, _SMALL_PX, step).mean((3, 5)).reshape(n, -1)
    vectors: npt.NDArray[np.float64] = means / 255 / means.shape[1] ** 0.5
    return vectors
