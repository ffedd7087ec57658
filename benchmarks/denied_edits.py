"""How many small edits of a picture that was taken down are refused. python -m benchmarks.denied_edits

The photographs are those of the samples that the copy detector was not trained on.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from benchmarks.recall import as_jpeg
from benchmarks.side_by_side import write_section
from byline.catalog.denylists.keyed_vectors import ALIKE_FROM
from byline.dedup.embedding.corpus import photographs
from byline.dedup.embedding.embedder import PLAIN_BELOW, Embedder, EmbeddingConfig
from byline.dedup.hashes import perceptual_hashes
from byline.dedup.quality import FLAT_FROM, measure_quality
from byline.dedup.views import views_of

SAMPLES = Path(__file__).parents[1] / "samples"
TITLE = "Small edits of what was taken down"
RADIUS_BITS = 12
UNRELATED_BITS = 48
MOST = 40
"""Photographs."""
Codes = npt.NDArray[np.uint64]
Edit = Callable[[Image.Image], Image.Image]


def edits() -> dict[str, list[Edit]]:
    """Return edits that a person would call the same picture, by kind; several strengths of each."""
    return {
        "crop, 1 % of one side": [_cropped(*sides) for sides in _one_side(0.01)],
        "crop, 2 % of one side": [_cropped(*sides) for sides in _one_side(0.02)],
        "crop, 5 % of one side": [_cropped(*sides) for sides in _one_side(0.05)],
        "crop, 1 % of each side": [_cropped(0.01, 0.01, 0.01, 0.01)],
        "crop, 3 % of each side": [_cropped(0.03, 0.03, 0.03, 0.03)],
        "crop, 5 % of each side": [_cropped(0.05, 0.05, 0.05, 0.05)],
        "turned by 0.5 degrees": [_turned(-0.5), _turned(0.5)],
        "turned by 1 degree": [_turned(-1), _turned(1)],
        "turned by 2 degrees": [_turned(-2), _turned(2)],
        "gamma 0.5, 2": [_gamma(0.5), _gamma(2)],
        "gamma 0.7, 1.4": [_gamma(0.7), _gamma(1.4)],
        "logo in a corner, 5 % of the side": [_logo(0.05)],
        "logo in a corner, 10 % of the side": [_logo(0.1)],
        "logo in a corner, 20 % of the side": [_logo(0.2)],
        "a line of words": [_words],
        "brightness, contrast, color 1.2x": [_enhanced(kind) for kind in _ENHANCERS],
        "mirrored": [lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)],
        "JPEG quality 30": [lambda image: as_jpeg(image, 30)],
        "half the size": [lambda image: image.resize((image.width // 2, image.height // 2))],
    }


_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


def _one_side(share: float) -> list[tuple[float, float, float, float]]:
    return [(share, 0, 0, 0), (0, share, 0, 0), (0, 0, share, 0), (0, 0, 0, share)]


def _cropped(left: float, top: float, right: float, bottom: float) -> Edit:
    def crop(image: Image.Image) -> Image.Image:
        width, height = image.size
        return image.crop(
            (round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom)))
        )

    return crop


def _turned(degrees: float) -> Edit:
    return lambda image: image.rotate(degrees, Image.Resampling.BICUBIC)


def _gamma(power: float) -> Edit:
    return lambda image: image.point(lambda level: round(255 * (level / 255) ** power))


def _logo(share: float) -> Edit:
    def stamp(image: Image.Image) -> Image.Image:
        stamped, side = image.copy(), share * min(image.size)
        right, bottom = image.width - 4, image.height - 4
        ImageDraw.Draw(stamped).ellipse((right - side, bottom - side, right, bottom), fill="white", outline="black")
        return stamped

    return stamp


def _words(image: Image.Image) -> Image.Image:
    written, size = image.copy(), max(9, image.height // 14)
    position = (image.width // 2, round(image.height * 0.9))
    ImageDraw.Draw(written).text(position, "seen on the web", "white", ImageFont.load_default(size), anchor="ms")
    return written


def _enhanced(kind: type[ImageEnhance.Brightness | ImageEnhance.Contrast | ImageEnhance.Color]) -> Edit:
    return lambda image: kind(image).enhance(1.2)


def _codes(image: Image.Image) -> Codes:
    """Return the hashes of all looks at a picture, as an entry of the denylist and an offered picture have them."""
    codes = [perceptual_hashes(image)[1], *(view.code for view in views_of(image))]
    return np.frombuffer(b"".join(codes), np.uint64).reshape(-1, 4)


def _bits(codes: Codes, other: Codes) -> int:
    return int(np.bitwise_count(codes[:, None] ^ other[None]).sum(-1).min())


def chosen() -> list[Image.Image]:
    """Return photographs of different things, none of them flat or plain."""
    images: list[Image.Image] = []
    known: list[Codes] = []
    for path in photographs(SAMPLES / "photographs", held_out=True).paths:
        image = Image.open(path).convert("RGB")
        quality = measure_quality(image)
        if quality.flatness >= FLAT_FROM or quality.contrast < PLAIN_BELOW:
            continue
        codes = _codes(image)
        if all(_bits(codes, other) > UNRELATED_BITS for other in known):
            images.append(image)
            known.append(codes)
    return images[:MOST]


def main() -> None:
    """Measure, and write the table."""
    torch.set_num_threads(1)  # several wait for each other longer than they work, where others work too
    images = chosen()
    embedder = Embedder(EmbeddingConfig(model=str(SAMPLES / "models/copy-detector")))
    codes = [_codes(image) for image in images]
    originals = embedder.embed(images).astype(np.float32)
    lines = ["| edit | hashes and views | with the copy detector |", "|---|---:|---:|"]
    totals, strangers = np.zeros(3, int), []
    for kind, made in edits().items():
        by_hash = by_either = 0
        for edit in made:
            copies = [as_jpeg(edit(image), 90) for image in images]
            cosines = embedder.embed(copies).astype(np.float32) @ originals.T
            near = np.array(
                [
                    _bits(original_codes, _codes(copy)) <= RADIUS_BITS
                    for original_codes, copy in zip(codes, copies, strict=True)
                ]
            )
            alike = np.diagonal(cosines) >= ALIKE_FROM
            by_hash, by_either = by_hash + int(near.sum()), by_either + int((near | alike).sum())
            strangers.append(cosines[~np.eye(len(cosines), dtype=bool)])
        number = len(made) * len(images)
        totals += (by_hash, by_either, number)
        lines.append(f"| {kind} | {by_hash / number:.2f} | {by_either / number:.2f} |")
    lines.append(f"| **all {totals[2]:,}** | {totals[0] / totals[2]:.2f} | {totals[1] / totals[2]:.2f} |")
    wrong, pairs = int((np.concatenate(strangers) >= ALIKE_FROM).sum()), len(np.concatenate(strangers))
    text = (
        f"Share that is refused of edits of {len(images)} photographs that the copy detector was not trained on:\n"
        f"within {RADIUS_BITS} bits of any look, or from a cosine of {ALIKE_FROM} too. Of {pairs:,} pairs of\n"
        f"strangers the detector takes {wrong:,} for copies."
    )
    write_section(TITLE, "python -m benchmarks.denied_edits", "\n".join([text, "", *lines]))


if __name__ == "__main__":
    main()
