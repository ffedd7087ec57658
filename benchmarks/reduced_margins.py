"""What reduced decoding gains and loses by how much is left to the filter. python -m benchmarks.reduced_margins FOLDER

FOLDER holds real photographs; `benchmarks.hashing` says where some are.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from benchmarks.side_by_side import write_section
from benchmarks.storing import FULL, REDUCED, large_photographs, psnr_db
from byline.pictures.pixels import resizing
from byline.pictures.pixels.colors import Pixels
from byline.pictures.pixels.decoding import Surveyed, decode, decode_as_stored, survey

MARGINS = (1, 2, 3, 4)
ROUNDS = 3


def _small(picture: Surveyed) -> Pixels:
    """Return an upright picture, resized, not encoded."""
    width, height = picture.survey.width, picture.survey.height
    by = resizing.reduction(width, height, REDUCED)
    if by == 1:
        return resizing.resize(decode(picture), FULL)
    return resizing.resize_reduced(decode_as_stored(picture, reduction=by), width, height, by, REDUCED)


def _ssim(a: Pixels, b: Pixels) -> float:
    """Return the structural similarity of two pictures' greys (Wang et al. 2004, their constants)."""
    x, y = (cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(np.float64) for pixels in (a, b))

    def mean(values: Pixels) -> Pixels:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mx, my = mean(x), mean(y)
    vx, vy, xy = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    return float(np.mean((2 * mx * my + c1) * (2 * xy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))))


def _seconds(pictures: Sequence[Surveyed], margin: float) -> float:
    resizing.MARGIN = margin  # type: ignore[assignment]
    start = time.perf_counter()
    for picture in pictures:
        _small(picture)
    return time.perf_counter() - start


def _row(pictures: Sequence[Surveyed], margin: int, seconds: Sequence[float], full_s: float) -> str:
    resizing.MARGIN = margin
    sizes = [picture.survey.upright_size for picture in pictures]
    reduced = [picture for picture, size in zip(pictures, sizes, strict=True) if resizing.reduction(*size, REDUCED) > 1]
    pairs = [(resizing.resize(decode(picture), FULL), _small(picture)) for picture in reduced]
    losses, likenesses = [psnr_db(a, b) for a, b in pairs], [_ssim(a, b) for a, b in pairs]
    return (
        f"| {margin} | {len(reduced)} | {min(losses):.1f} | {median(losses):.1f} | {min(likenesses):.4f} "
        f"| {median(likenesses):.4f} | {median(seconds):.2f} s | {full_s / median(seconds):.2f}x |"
    )


def _main(folder: Path) -> str:
    pictures = [
        survey(data, max_pixels=FULL.max_pixels) for data in large_photographs(folder, above_px=FULL.image_size)
    ]
    seconds: dict[float, list[float]] = {margin: [] for margin in (*MARGINS, np.inf)}
    for _ in range(ROUNDS):
        for margin, times in seconds.items():
            times.append(_seconds(pictures, margin))
    full_s = median(seconds[np.inf])
    rows = [_row(pictures, margin, seconds[margin], full_s) for margin in MARGINS]
    return (
        f"{len(pictures)} real photographs above {FULL.image_size} px, decoded and resized to {FULL.image_size} px in "
        f"one thread, not encoded. In full: {full_s:.2f} s. By margin, which is how many times larger than what is "
        "kept a reduced picture is at least: how many are reduced, how far these are from those decoded in full, and "
        f"the time for all (medians of {ROUNDS}, interleaved).\n\n"
        "| margin | reduced | least PSNR | median | least SSIM | median | time | times as fast as full |\n"
        f"{'|---:' * 8}|\n" + "\n".join(rows)
    )


if __name__ == "__main__":
    write_section("Reduced decoding", "python -m benchmarks.reduced_margins FOLDER", _main(Path(sys.argv[1])))
