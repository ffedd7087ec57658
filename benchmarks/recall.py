"""How many changed copies of real photographs are found, by what was changed. python -m benchmarks.recall"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.side_by_side import write_section
from byline.dedup.colors import GRID_BYTES, color_grid
from byline.dedup.frames import STEP
from byline.dedup.hashes import perceptual_hashes
from byline.dedup.quality import is_flat
from byline.dedup.views import CODE_BYTES, TRIMMED, TURNED, UPRIGHT, views_of
from harness.pictures import flattened

SAMPLES = Path(__file__).parents[1] / "samples"
SIDE_PX = 256
UNRELATED_BITS = 48
"""Sample photographs nearer than this are taken for the same, and but one of them is used."""
RADII = (12, 24, 31)
"""Of the policies for drawings and for photographs, and the farthest that pairs are kept to."""
MAX_LUMA, MAX_CHROMA = 64, 24
NEVER = 999

Change = Callable[[Image.Image], Image.Image]
Distances = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Looks at pictures, one row each: the upright one of a picture and its views, then those of the next."""

    pictures: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    codes: NDArray[np.uint8]
    colors: NDArray[np.uint8]

    def upright(self) -> "Looks":
        """Return what is seen without views."""
        chosen = self.kinds == UPRIGHT
        return Looks(
            pictures=self.pictures[chosen],
            kinds=self.kinds[chosen],
            codes=self.codes[chosen],
            colors=self.colors[chosen],
        )


def as_jpeg(image: Image.Image, quality: int = 95) -> Image.Image:
    """Return the picture after a JPEG of this quality."""
    sink = BytesIO()
    image.save(sink, "JPEG", quality=quality)
    return Image.open(sink).convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)


def _cropped(image: Image.Image, share: float) -> Image.Image:
    x, y = round(image.width * share), round(image.height * share)
    return image.crop((x, y, image.width - x, image.height - y))


def _bordered(image: Image.Image, share: float, color: str) -> Image.Image:
    return ImageOps.expand(image, round(share * max(image.size)), color)


def changes() -> dict[str, tuple[float, Change]]:
    """Return the changes of METHODS 8.5: by name, the recall aimed at, and what is done before the copy is a JPEG."""
    made: dict[str, tuple[float, Change]] = {}
    for quality in (30, 50, 75, 95):
        made[f"JPEG quality {quality}"] = (0.99, lambda image, q=quality: as_jpeg(image, q))  # type: ignore[misc]
    for factor in (0.5, 0.75, 1.5, 2.0):
        made[f"resized {factor}x"] = (0.99, lambda image, f=factor: _scaled(image, f))  # type: ignore[misc]
    for name, enhance in (("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast)):
        for factor in (0.8, 1.2):
            made[f"{name} {factor}x"] = (0.95, lambda i, e=enhance, f=factor: e(i).enhance(f))  # type: ignore[misc]
    for color in ("white", "black"):
        for share in (0.05, 0.1):
            made[f"border {share:.0%}, {color}"] = (
                0.95,
                lambda image, s=share, c=color: _bordered(image, s, c),  # type: ignore[misc]
            )
    turns = ("FLIP_LEFT_RIGHT", "FLIP_TOP_BOTTOM", "ROTATE_90", "ROTATE_180", "ROTATE_270")
    for turn in turns:
        made[turn.lower().replace("_", " ")] = (
            0.99,
            lambda image, t=turn: image.transpose(Image.Transpose[t]),  # type: ignore[misc]
        )
    for share in (0.005, 0.01, 0.02):
        made[f"cropped {share:.1%} off each edge"] = (0.8, lambda image, s=share: _cropped(image, s))  # type: ignore[misc]
    return made


def looks_at(images: Iterable[Image.Image]) -> Looks:
    """Look at pictures as the instruments do; at flat ones not at all."""
    rows = []
    for index, image in enumerate(images):
        if not is_flat(image):
            rows.append((index, UPRIGHT, perceptual_hashes(image)[1], color_grid(image)))
            rows += [(index, view.kind, view.code, view.colors) for view in views_of(image)]
    return Looks(
        pictures=np.array([row[0] for row in rows]),
        kinds=np.array([row[1] for row in rows], np.uint8),
        codes=np.frombuffer(b"".join(row[2] for row in rows), np.uint8).reshape(-1, CODE_BYTES),
        colors=np.frombuffer(b"".join(row[3] for row in rows), np.uint8).reshape(-1, GRID_BYTES),
    )


def distances(original: Looks, copy: Looks, *, number: int, with_colors: bool) -> Distances:
    """Return the least distance in bits of any two looks, for every pair of `number` pictures; `NEVER` without any."""
    words = [np.ascontiguousarray(looks.codes).view(np.uint64) for looks in (original, copy)]
    least_bits = np.full((number, number), NEVER)
    for look in range(len(words[0])):
        apart = np.bitwise_count(words[0][look] ^ words[1]).sum(1, dtype=np.int64)
        if with_colors:
            cells = (original.colors[look].astype(int) - copy.colors).reshape(-1, GRID_BYTES // 3, 3)
            luma, chroma_squared = np.abs(cells[..., 0]).max(1), (cells[..., 1:] ** 2).sum(2).max(1)
            apart[(luma > MAX_LUMA) | (chroma_squared > MAX_CHROMA**2)] = NEVER
        np.minimum.at(least_bits[original.pictures[look]], copy.pictures, apart)
    return least_bits


def photographs() -> list[Image.Image]:
    """Return the sample photographs in full size, no two of them near."""
    chosen: list[Image.Image] = []
    codes: list[int] = []
    for path in sorted((SAMPLES / "photographs").glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        code = int.from_bytes(perceptual_hashes(image)[1])
        if max(image.size) == SIDE_PX and all((code ^ other).bit_count() > UNRELATED_BITS for other in codes):
            chosen.append(image)
            codes.append(code)
    return chosen


def _line(name: str, target: float, original: Looks, copy: Looks, where: NDArray[np.int64], number: int) -> str:
    """Return a row of the table for the pictures at `where`."""
    upright = distances(original.upright(), copy.upright(), number=number, with_colors=False)
    views = distances(original, copy, number=number, with_colors=False)
    colored = distances(original, copy, number=number, with_colors=True)
    cells = [name, f"{len(where)}", f"{target}"]
    for bits in (upright, views, colored):
        cells += [f"{(bits[where, where] <= radius).mean():.3f}" for radius in RADII]
    reach = int(np.quantile(views[where, where], target, method="higher"))
    cells.append(f"{reach}" if reach < NEVER else "none")
    for bits in (views, colored):
        near = bits[where] <= max(RADII)
        cells.append(f"{int(near.sum()) - int((bits[where, where] <= max(RADII)).sum())}")
    return "| " + " | ".join(cells) + " |"


def _has_edge_of(image: Image.Image, tone: int) -> bool:
    """Return whether most of the outermost pixels have a tone, so that a border of it cannot be told from them."""
    gray = np.asarray(image.convert("L"), int)
    outermost = np.concatenate([gray[0], gray[-1], gray[:, 0], gray[:, -1]])
    return bool((np.abs(outermost - tone) < STEP).mean() > 0.5)


def _recall_table(images: list[Image.Image]) -> str:
    original, every = looks_at(images), np.arange(len(images))
    recall_heads = [f"{looks}, {radius}" for looks in ("upright", "views", "views and colors") for radius in RADII]
    wrong = [f"wrong pairs, {looks}, {max(RADII)}" for looks in ("views", "views and colors")]
    heads = ["change", "pictures", "aim", *recall_heads, "radius for the aim", *wrong]
    lines = ["| " + " | ".join(heads) + " |", "|:--|" + "---:|" * (len(heads) - 1)]
    for name, (target, change) in changes().items():
        copy = looks_at(as_jpeg(change(image)) if "JPEG" not in name else change(image) for image in images)
        lines.append(_line(name, target, original, copy, every, len(images)))
        if name.startswith("border"):
            tone = 255 if name.endswith("white") else 0
            distinguishable = np.array([index for index in every if not _has_edge_of(images[index], tone)])
            lines.append(_line(f"{name}: told from the picture", target, original, copy, distinguishable, len(images)))
    return "\n".join(lines)


def _number_of_views(images: list[Image.Image]) -> tuple[str, int, int]:
    """Return the mean number of turned views, and how many pictures have a frame, and none at all (flat ones)."""
    kinds = [[view.kind for view in views_of(image)] for image in images]
    turned = np.mean([view_kinds.count(TURNED) for view_kinds in kinds])
    return f"{turned:.2f}", sum(TRIMMED in view_kinds for view_kinds in kinds), sum(is_flat(image) for image in images)


def _flat_text(images: list[Image.Image]) -> str:
    flat = [image for image in images if is_flat(image)]
    gated = len(looks_at(flat).pictures)
    codes = [int.from_bytes(perceptual_hashes(image)[1]) for image in flat]
    near = sum((code ^ other).bit_count() <= max(RADII) for n, code in enumerate(codes) for other in codes[:n])
    return (
        f"Of {len(flat)} flat pictures, {near:,} pairs would be near by their upright hashes within {max(RADII)} bits;"
        f" gated, they have {gated} looks, so no pairs and no clusters."
    )


if __name__ == "__main__":
    images = photographs()
    drawings = [as_jpeg(flattened(path)) for path in sorted((SAMPLES / "drawings").glob("*.png"))]
    pairs = len(images) * (len(images) - 1)
    lines = [
        f"{len(images)} sample photographs of {SIDE_PX} px, no two within {UNRELATED_BITS} bits, and a changed copy of"
        " each, saved as a JPEG of quality 95 where nothing else is said. Found is a copy of which any look (as it is,"
        " turned, without its frame) is within so many bits of 256 of any of the original; upright, only the pictures"
        f" as they are. With colors: `max_luma` {MAX_LUMA}, `max_chroma` {MAX_CHROMA}. Wrong pairs are those of an"
        f" original and another's copy, of {pairs:,} for each change. A border of the tone that most of a picture's"
        " outermost pixels have (a cut-out on white, a planet in the dark) cannot be told from it; a second line leaves"
        " those out.",
        _recall_table(images),
        "| pictures | number | turned views each | with a frame | flat |\n|:--|---:|---:|---:|---:|",
    ]
    for name, some in (("photographs", images), ("drawings on white", drawings)):
        turned, framed, flat = _number_of_views(some)
        lines[-1] += f"\n| {name} | {len(some):,} | {turned} | {framed} | {flat} |"
    lines.append(_flat_text([*images, *drawings]))
    write_section("Recall by transformation", "python -m benchmarks.recall", "\n\n".join(lines))
