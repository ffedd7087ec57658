"""From fetched bytes to stored JPEG: `store_image` beside img2dataset's Resizer. python -m benchmarks.storing [FOLDER]

FOLDER, if given, holds real photographs; `benchmarks.hashing` says where some are. Those above 512 px are measured too.
"""

import argparse
import os
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from benchmarks.side_by_side import write_section
from byline.pictures.config import PixelConfig
from byline.pictures.pixels import UnusableError, store_image
from byline.pictures.pixels.colors import is_srgb
from byline.pictures.pixels.decoding import survey
from byline.pictures.pixels.resizing import reduction
from harness.pictures import a_jpeg

PHOTOGRAPHS = Path(__file__).parents[1] / "samples/photographs"
SIZES = ((640, 480), (1024, 768), (2048, 1536), (4000, 3000))
MEGAPIXELS = 40
"""Of each set, about: the larger its pictures, the fewer they are."""
MAX_PIXELS = 30_000_000
"""Of a real photograph in FOLDER."""
FULL, REDUCED = PixelConfig(), PixelConfig(decoding="reduced")
Pictures = list[bytes]


def _sets(megapixels: int, folder: Path | None) -> dict[str, Pictures]:
    """Return real photographs, of which the samples are small, and made ones of the sizes that sources offer."""
    sets = {"samples, to 256 px": [path.read_bytes() for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]}
    for size in SIZES:
        number = max(2, int(megapixels * 1e6 / (size[0] * size[1])))
        sets[f"{size[0]}x{size[1]}"] = [a_jpeg(seed, size=size, noise=4) for seed in range(number)]
    if folder is not None:
        sets["real photographs"] = large_photographs(folder, above_px=2 * FULL.image_size)
    return sets


def large_photographs(folder: Path, *, above_px: int) -> Pictures:
    """Return the upright JPEGs in sRGB below a folder of which the longest side is above this, each once, in order."""
    files = sorted({path.read_bytes() for path in folder.rglob("*.jp*g") if path.is_file()})
    return [data for data in files if _is_used(data, above_px)]


def _is_used(data: bytes, above_px: int) -> bool:
    """Tell whether a JPEG is large enough and one of which img2dataset's pixels are ours."""
    try:
        structure = survey(data, max_pixels=MAX_PIXELS).survey
        store_image(data)
    except UnusableError as error:
        print(f"left out: {error}")
        return False
    is_plain = (
        structure.is_plain and structure.orientation == 1 and (structure.profile is None or is_srgb(structure.profile))
    )
    return is_plain and max(structure.width, structure.height) > above_px


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def psnr_db(a: np.ndarray, b: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio of two pictures of 8 bits; infinite if they are equal."""
    error = float(np.mean((a.astype(np.float64) - b) ** 2))
    return 10 * np.log10(255**2 / error) if error else np.inf


def _loss(pictures: Pictures) -> str:
    """Say how many pictures are reduced at all, and how far these are from those decoded in full: as they are stored,
    and, nearly, before they are encoded."""
    sizes = [survey(data, max_pixels=FULL.max_pixels).survey.upright_size for data in pictures]
    reduced = [data for data, size in zip(pictures, sizes, strict=True) if reduction(*size, REDUCED) > 1]
    if not reduced:
        return "none is reduced"
    texts = []
    for quality in (FULL.encode_quality, 100):
        full, less = ({**config.model_dump(), "encode_quality": quality} for config in (FULL, REDUCED))
        pairs = ((store_image(data, **full).data, store_image(data, **less).data) for data in reduced)
        losses = [psnr_db(_pixels(a), _pixels(b)) for a, b in pairs]
        texts.append(f"{min(losses):.1f} dB (median {median(losses):.1f}) at quality {quality}")
    return f"{len(reduced)} of {len(pictures)} are reduced; the least PSNR of these is {', '.join(texts)}"


def _row(pictures: Pictures, rounds: int) -> str:
    """Check that ours in full has the peer's pixels; run the three in turn, and return a row of the table."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    from img2dataset.resizer import Resizer

    resizer = Resizer(FULL.image_size, FULL.resize_mode, FULL.resize_only_if_bigger, encode_quality=FULL.encode_quality)
    full, reduced = FULL.model_dump(), REDUCED.model_dump()
    for data in pictures:
        if not np.array_equal(_pixels(store_image(data, **full).data), _pixels(resizer(BytesIO(data))[0])):
            raise SystemExit("the pixels of the two are not equal")
    arms: tuple[Callable[[bytes], object], ...] = (
        lambda data: store_image(data, **full),
        lambda data: resizer(BytesIO(data)),
        lambda data: store_image(data, **reduced),
    )
    seconds: list[list[float]] = [[] for _ in arms]
    for _ in range(rounds + 1):
        for arm, times in zip(arms, seconds, strict=True):
            start = time.perf_counter()
            for data in pictures:
                arm(data)
            times.append(time.perf_counter() - start)
    ours, peer, less = (times[1:] for times in seconds)  # the first round warmed up
    ratios = [median(peer) / median(times) for times in (ours, less)]
    return (
        f"| {len(pictures):,} | {_told(ours)} | {_told(peer)} | {ratios[0]:.1f}x | {_told(less)} | {ratios[1]:.1f}x |"
    )


def _told(seconds: list[float]) -> str:
    return f"{median(seconds) * 1e3:,.1f} ms ({min(seconds) * 1e3:,.1f} to {max(seconds) * 1e3:,.1f})"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="of real photographs")
    parser.add_argument("--megapixels", type=int, default=MEGAPIXELS, help="of each made set, about")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    peer = f"img2dataset {version('img2dataset')}, Resizer"
    head = f"| pictures | pipelines.pixels | {peer} | ratio | reduced decoding | ratio |\n{'|---:' * 6}|\n"
    parts = []
    for name, pictures in _sets(arguments.megapixels, arguments.folder).items():
        kilobytes = sum(map(len, pictures)) / len(pictures) / 1000
        row = _row(pictures, arguments.rounds)
        parts.append(f"{name}, {kilobytes:,.0f} kB each ({_loss(pictures)}):\n\n{head}{row}")
    write_section(
        "Storing",
        f"python -m benchmarks.storing{' FOLDER' if arguments.folder else ''}",
        "Decode, resize to 256 px (`keep_ratio_largest`) and encode JPEGs, in one thread each, interleaved. Ours also "
        "checks that the picture is whole and nothing else, applies EXIF's turn and the color profile. Both give equal "
        "pixels, which is checked before the clock starts. What is left is libjpeg's decoding and OpenCV's filter, the "
        'same in both. With `decoding = "reduced"` libjpeg shrinks what is to be shrunk by 4 and more; its ratio is to '
        "img2dataset too, and the pixels are others: PSNR is from the picture decoded in full, stored at the quality "
        "that is the default, and at 100, where the encoding adds next to nothing.\n\n" + "\n\n".join(parts),
    )
