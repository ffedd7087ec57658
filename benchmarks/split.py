"""How many held-out pictures have one in training that is like them. python -m benchmarks.split RELEASE...

By the hashes that the split goes by, as they are and in every view; and, as nothing here goes by them, by the pixels of
small gray copies, which tell what hashes do not find.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.side_by_side import write_section
from byline.catalog.corpora.manifest import Release, Split
from byline.pipelines.facts.looks import look_of

RADIUS_BITS = 31
SIDE_PX = 32
CORRELATION = 0.95
"""Of two gray copies of `SIDE_PX` a side, from which they count as one picture."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """The pictures of one side of a split."""

    codes: npt.NDArray[np.uint8]
    """Of every look of every picture, 32 bytes each."""
    pictures: npt.NDArray[np.int64]
    """Whose each of them is."""
    is_view: npt.NDArray[np.bool_]
    """Which of them are not of the picture as it is."""
    grays: npt.NDArray[np.float32]
    """A small gray copy of each picture, of mean 0 and length 1."""


def main(paths: Iterable[str]) -> None:
    lines = [
        f"| release | held out | hashes within {RADIUS_BITS} bits, as they are | in any view "
        f"| gray copies of {SIDE_PX} px, correlation {CORRELATION} or more | in any of eight turns |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for path in paths:
        release = Release(path)
        heldout, trained = side_of(release, "heldout"), side_of(release, "train")
        plain, turned = alike(heldout, trained, turns=1), alike(heldout, trained, turns=8)
        numbers = (
            len(heldout.grays),
            near(heldout, trained, views=False),
            near(heldout, trained, views=True),
            plain,
            turned,
        )
        lines.append(f"| {release.version} | " + " | ".join(f"{number:,}" for number in numbers) + " |")
    text = "Held-out pictures that have such a one in training:\n\n"
    write_section("Split", "python -m benchmarks.split RELEASE", text + "\n".join(lines))


def side_of(release: Release, split: Split) -> Side:
    """Read and hash the pictures of one side."""
    codes: list[bytes] = []
    picture: list[int] = []
    is_view: list[bool] = []
    grays: list[npt.NDArray[np.float32]] = []
    for shard in release.shards(split):
        for sample in release.samples(shard):
            look = look_of(sample["jpg"])
            shown = [] if look.is_flat else [look.phash256, *(code for _, code in look.views)]
            codes += shown
            picture += [len(grays)] * len(shown)
            is_view += [number > 0 for number in range(len(shown))]
            grays.append(_gray(sample["jpg"]))
    return Side(
        codes=np.frombuffer(b"".join(codes), np.uint8).reshape(-1, 32),
        pictures=np.array(picture, np.int64),
        is_view=np.array(is_view, np.bool_),
        grays=np.array(grays, np.float32).reshape(len(grays), -1),
    )


def near(heldout: Side, trained: Side, *, views: bool) -> int:
    """Count held-out pictures with a code that is near one of training."""
    ours, theirs = (side.codes if views else side.codes[~side.is_view] for side in (heldout, trained))
    whose = heldout.pictures if views else heldout.pictures[~heldout.is_view]
    near_pictures = {
        int(picture)
        for picture, code in zip(whose, ours, strict=True)
        if len(theirs) and np.bitwise_count(theirs ^ code).sum(axis=1, dtype=np.int64).min() <= RADIUS_BITS
    }
    return len(near_pictures)


def alike(heldout: Side, trained: Side, *, turns: int) -> int:
    """Count held-out pictures whose gray copy, in one of the first of eight turns, correlates with one of training."""
    squares = heldout.grays.reshape(-1, SIDE_PX, SIDE_PX)
    flipped = [squares, squares[:, :, ::-1]]
    each = [np.rot90(images, quarter, axes=(1, 2)) for quarter in range(4) for images in flipped][:turns]
    best_N = np.max([(turned.reshape(len(squares), -1) @ trained.grays.T).max(axis=1) for turned in each], axis=0)
    return int((best_N >= CORRELATION).sum())


def _gray(stored: bytes) -> npt.NDArray[np.float32]:
    small = Image.open(BytesIO(stored)).convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
    levels = np.asarray(small, np.float32).ravel()
    levels = levels - levels.mean()
    return np.asarray(levels / max(float(np.linalg.norm(levels)), 1.0), np.float32)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("byline: name releases: python -m benchmarks.split RELEASE...")
    main(sys.argv[1:])
