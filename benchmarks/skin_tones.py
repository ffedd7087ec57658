"""Which radius tells copies: OpenMoji's skin-tone groups as labels. python -m benchmarks.skin_tones

Pairs of one `skintone_base_hexcode` (one drawing in two colors of skin) are positives, all other pairs of OpenMoji
drawings negatives. Draws docs/images/skin-tones.svg. `--sheets FOLDER` also writes, as PNGs to look at, the pairs of
different groups at the radii in question.
"""

import argparse
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance

from benchmarks.line_plots import Line, Panel, draw
from benchmarks.side_by_side import write_section
from byline.catalog.policies.policy import DuplicateRules
from byline.dedup.colors import color_grid
from byline.dedup.hashes import perceptual_hashes
from byline.dedup.pdq import MIN_QUALITY, pdq
from byline.dedup.quality import measure_quality
from harness.pictures import flattened

HOME = Path(__file__).parent
LABELS = HOME / "skin_tones.tsv"
DRAWINGS = HOME.parent / "samples" / "drawings"
PHOTOGRAPHS = HOME.parent / "samples" / "photographs"
NTH_PHOTOGRAPH = 3
PLOT = HOME.parent / "docs" / "images" / "skin-tones.svg"
TONES = ("yellow", "light", "medium-light", "medium", "medium-dark", "dark")
RULES = DuplicateRules(radius_bits=12)
MAX_RADIUS_256, MAX_RADIUS_64 = 64, 16
SHOWN_256, SHOWN_64 = (0, 4, 8, 12, 16, 20, 24, 31, 40, 50, 64), (0, 2, 3, 4, 6, 8, 10, 12, 16)
LIMITS = ((64, 24), (32, 24), (16, 24), (12, 12), (8, 24), (8, 8))
"""Greatest distances in luma and chroma; first those of a policy that says nothing."""
SHEET_RADII = (12, 31)
SHEET_PAIRS = 60

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """All pairs of N drawings."""

    names: Sequence[str]
    tones: Ints
    """Of each drawing its place in `TONES`; -1 for one without skin."""
    i: Ints
    j: Ints
    are_copies: Flags
    """Both show one drawing, in two colors of skin."""
    luma: Ints
    chroma: Floats
    """How far apart the color grids are, as `dedup.keepers` has it."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """A way of telling copies: the distance of each pair, and which pairs it may say something about at all."""

    name: str
    color: str
    distances: Ints
    may: Flags

    def predicted(self, radius_bits: int) -> Flags:
        """Return which pairs are said to be copies."""
        return (self.distances <= radius_bits) & self.may


def scores(way: Way, pairs: Pairs, radius_bits: int) -> tuple[int, float, float]:
    """Return how many pairs of two groups are found within the radius, and precision (nan where none is) and recall."""
    predicted = way.predicted(radius_bits)
    right = int((predicted & pairs.are_copies).sum())
    return (
        int(predicted.sum()) - right,
        right / predicted.sum() if predicted.any() else np.nan,
        right / pairs.are_copies.sum(),
    )


def _pairs(pictures: dict[str, Image.Image]) -> Pairs:
    with LABELS.open(encoding="utf-8", newline="") as lines:
        rows = csv.DictReader((line for line in lines if not line.startswith("#")), delimiter="\t")
        labels = {row["drawing"]: (row["skintone_base_hexcode"], int(row["skintone"])) for row in rows}
    i, j = np.triu_indices(len(pictures), 1)
    numbers = {group: number for number, group in enumerate(sorted({group for group, _ in labels.values()}))}
    groups = np.array([numbers[labels[name][0]] if name in labels else -1 for name in pictures])
    luma, chroma = _apart(list(pictures.values()), i, j)
    return Pairs(
        names=list(pictures),
        tones=np.array([labels[name][1] if name in labels else -1 for name in pictures]),
        i=i,
        j=j,
        are_copies=(groups[i] == groups[j]) & (groups[i] >= 0),
        luma=luma,
        chroma=chroma,
    )


def _apart(images: Sequence[Image.Image], i: Ints, j: Ints) -> tuple[Ints, Floats]:
    """Return how far apart in luma and in chroma these images are, where most."""
    grids = np.array([list(color_grid(image)) for image in images], np.int64).reshape(len(images), -1, 3)
    lumas, chromas = [], []
    for block in np.array_split(np.arange(len(i)), 64):
        apart = grids[i[block]] - grids[j[block]]
        lumas.append(np.abs(apart[..., 0]).max(1))
        chromas.append(np.sqrt((apart[..., 1:] ** 2).sum(2).max(1)))
    return np.concatenate(lumas), np.concatenate(chromas)


def _distances(codes: Sequence[bytes], pairs: Pairs) -> Ints:
    words = np.array([list(code) for code in codes], np.uint8).view(np.uint64)
    distances: Ints = np.bitwise_count(words[pairs.i] ^ words[pairs.j]).sum(1, dtype=np.int64)
    return distances


def _ways(pictures: dict[str, Image.Image], pairs: Pairs) -> tuple[list[Way], list[Way]]:
    """Return the ways of 256 bits and those of 64."""
    images = list(pictures.values())
    hashes = [perceptual_hashes(image) for image in images]
    difference = [np.packbits(imagehash.dhash(image).hash).tobytes() for image in images]
    flat = np.array([measure_quality(image).flatness >= RULES.flat_from for image in images])
    every = np.ones(len(pairs.i), np.bool_)
    may = ~(flat[pairs.i] | flat[pairs.j]) & _alike(pairs, RULES.max_luma_distance, RULES.max_chroma_distance)
    phash256 = _distances([code for _, code in hashes], pairs)
    phash64 = _distances([code for code, _ in hashes], pairs)
    long = [
        Way(name="pHash", color="#c0392b", distances=phash256, may=every),
        Way(name="pHash, color grid, not flat (ours)", color="#1e50c8", distances=phash256, may=may),
    ]
    short = [
        replace(long[0], distances=phash64),
        replace(long[1], distances=phash64),
        Way(name="dHash", color="#27864a", distances=_distances(difference, pairs), may=every),
    ]
    return [*long, *_pdq_ways(images, pairs)], short


def _alike(pairs: Pairs, max_luma: float, max_chroma: float) -> Flags:
    return (pairs.luma <= max_luma) & (pairs.chroma <= max_chroma)


def _pdq_ways(images: Sequence[Image.Image], pairs: Pairs) -> list[Way]:
    hashed = [pdq(image) for image in images]
    fit = np.array([quality >= MIN_QUALITY for _, quality in hashed])
    return [
        Way(
            name=f"PDQ, quality {MIN_QUALITY} or more ({fit.sum():,} drawings)",
            color="#8e44ad",
            distances=_distances([code for code, _ in hashed], pairs),
            may=fit[pairs.i] & fit[pairs.j],
        )
    ]


def _table(ways: Sequence[Way], pairs: Pairs, radii: Sequence[int]) -> str:
    lines = ["| radius, bits | " + " | ".join(way.name for way in ways) + " |", "|---:|" + "---:|" * len(ways)]
    for radius in radii:
        cells = []
        for way in ways:
            wrong, precision, recall = scores(way, pairs, radius)
            cells.append("-" if np.isnan(precision) else f"{precision:.3f} / {recall:.3f} ({wrong:,})")
        lines.append(f"| {radius} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _tone_table(way: Way, pairs: Pairs, radius_bits: int) -> str:
    """Return how many of the groups count two tones as one picture within the radius, for each two tones."""
    lines = ["| | " + " | ".join(TONES[1:]) + " |", "|---|" + "---:|" * (len(TONES) - 1)]
    tones = np.sort(np.stack([pairs.tones[pairs.i], pairs.tones[pairs.j]], 1), axis=1)
    predicted = way.predicted(radius_bits) & pairs.are_copies
    for tone in range(len(TONES) - 1):
        counts = [
            str(int((predicted & (tones == (tone, other)).all(1)).sum())) if other > tone else ""
            for other in range(1, len(TONES))
        ]
        lines.append(f"| {TONES[tone]} | " + " | ".join(counts) + " |")
    return "\n".join(lines)


def _limits_table(way: Way, pairs: Pairs, radius_bits: int) -> str:
    """Return what stricter color limits join within the radius, and which copies of photographs they still know."""
    paths = sorted(PHOTOGRAPHS.glob("*.jpg"))[::NTH_PHOTOGRAPH]
    photographs = [Image.open(path).convert("RGB") for path in paths]
    places = np.arange(len(photographs))
    apart = {
        name: _apart([*photographs, *map(copy, photographs)], places, places + len(photographs))
        for name, copy in COPIES.items()
    }
    lines = [f"| luma | chroma | one group | two groups | {' | '.join(COPIES)} |", "|---:" * (4 + len(COPIES)) + "|"]
    for max_luma, max_chroma in LIMITS:
        predicted = way.predicted(radius_bits) & _alike(pairs, max_luma, max_chroma)
        cells = [f"{max_luma}", f"{max_chroma}"]
        cells += [f"{(predicted & kind).sum():,}" for kind in (pairs.are_copies, ~pairs.are_copies)]
        cells += [f"{((luma <= max_luma) & (chroma <= max_chroma)).mean():.3f}" for luma, chroma in apart.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _as_jpeg(image: Image.Image, quality: int) -> Image.Image:
    sink = BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return Image.open(sink).convert("RGB")


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG q30": lambda image: _as_jpeg(image, 30),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
    "contrast + 20 %": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "brightness + 20 %": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "brightness - 20 %": lambda image: ImageEnhance.Brightness(image).enhance(0.8),
}


def _plot(long: Sequence[Way], short: Sequence[Way], pairs: Pairs) -> str:
    panels = []
    for title, value in (("precision", 1), ("recall", 2)):
        for bits, ways, top in ((256, long, MAX_RADIUS_256), (64, short, MAX_RADIUS_64)):
            lines = [Line(name=way.name, color=way.color, points=_points(way, pairs, top, value)) for way in ways]
            marks = [(RULES.radius_bits, "12"), (31, "31")] if bits == 256 else []
            panels.append(
                Panel(title=f"{title}, {bits} bits", x_label="radius, bits", max_x=top, lines=lines, marks=marks)
            )
    return draw(panels, columns=2, description="Precision and recall of OpenMoji's skin-tone groups by radius")


def _points(way: Way, pairs: Pairs, top: int, value: int) -> list[tuple[float, float]]:
    points = ((radius, scores(way, pairs, radius)[value]) for radius in range(top + 1))
    return [point for point in points if not np.isnan(point[1])]


def write_sheet(path: Path, way: Way, pairs: Pairs, pictures: dict[str, Image.Image], radius_bits: int) -> int:
    """Write pairs of different groups within the radius, side by side, nearest first; return how many there are."""
    wrong = np.flatnonzero(way.predicted(radius_bits) & ~pairs.are_copies)
    chosen = wrong[np.linspace(0, len(wrong) - 1, min(SHEET_PAIRS, len(wrong)), dtype=int)]
    chosen = chosen[np.argsort(way.distances[chosen], kind="stable")]
    sheet = Image.new("RGB", (6 * 180, 90 * max(1, -(-len(chosen) // 6))), "#ccc")
    for index, pair in enumerate(chosen):
        left, top = index % 6 * 180 + 5, index // 6 * 90 + 5
        sheet.paste(pictures[pairs.names[pairs.i[pair]]], (left, top))
        sheet.paste(pictures[pairs.names[pairs.j[pair]]], (left + 82, top))
    sheet.save(path)
    return len(wrong)


def main(sheets: Path | None) -> None:
    """Measure, draw the plot, write the section."""
    pictures = {path.name: flattened(path) for path in sorted(DRAWINGS.glob("openmoji-*.png"))}
    pairs = _pairs(pictures)
    long, short = _ways(pictures, pairs)
    PLOT.write_text(_plot(long, short, pairs), encoding="utf-8")
    ours = long[1]
    by_hash = replace(ours, may=np.ones_like(ours.may))
    equal = sum(
        pictures[pairs.names[pairs.i[pair]]].tobytes() == pictures[pairs.names[pairs.j[pair]]].tobytes()
        for pair in np.flatnonzero(ours.predicted(0) & ~pairs.are_copies)
    )
    num_copies = int(pairs.are_copies.sum())
    text = (
        f"{len(pictures):,} drawings, {num_copies:,} pairs of one group, {len(pairs.i) - num_copies:,} of two, "
        f"of which {equal} have equal pixels. "
        "Precision / recall (pairs of two groups that are found), 256 bits:\n\n"
        f"{_table(long, pairs, SHOWN_256)}\n\n64 bits:\n\n{_table(short, pairs, SHOWN_64)}\n\n"
        f"Groups, of {num_copies // 15}, in which two tones count as one picture at {RULES.radius_bits} bits, "
        f"by the hash alone:\n\n{_tone_table(by_hash, pairs, RULES.radius_bits)}\n\n"
        f"and by hash and color:\n\n{_tone_table(ours, pairs, RULES.radius_bits)}\n\n"
        f"Greatest distance in luma and in chroma; pairs found at {RULES.radius_bits} bits; share of copies of sample "
        f"photographs (every {NTH_PHOTOGRAPH}rd) within the limits:\n\n"
        f"{_limits_table(by_hash, pairs, RULES.radius_bits)}"
    )
    write_section("Skin tones", "python -m benchmarks.skin_tones", text)
    for radius in SHEET_RADII if sheets else ():
        assert sheets is not None
        sheets.mkdir(parents=True, exist_ok=True)
        for name, way in (("hash", by_hash), ("color", ours)):
            print(f"{name} {radius}:", write_sheet(sheets / f"{name}-{radius}.png", way, pairs, pictures, radius))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sheets", type=Path)
    main(parser.parse_args().sheets)
