"""From fetched bytes to stored JPEG: `store_image` beside img2dataset's Resizer. python -m benchmarks.storing"""

import argparse
import os
import warnings
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.pictures import a_jpeg
from benchmarks.side_by_side import Row, measure, table, write_section
from pipelines.fetch_config import PixelConfig
from pipelines.pixels import store_image

PHOTOGRAPHS = Path(__file__).parents[1] / "samples/photographs"
SIZES = ((640, 480), (1024, 768), (2048, 1536), (4000, 3000))
MEGAPIXELS = 40
"""Of each set, about: the larger its pictures, the fewer they are."""
Pictures = list[bytes]


def _sets(megapixels: int) -> dict[str, Pictures]:
    """Return the real photographs, which are small, and made ones of the sizes that sources offer."""
    sets = {"samples, to 256 px": [path.read_bytes() for path in sorted(PHOTOGRAPHS.glob("*.jpg"))]}
    for size in SIZES:
        number = max(2, int(megapixels * 1e6 / (size[0] * size[1])))
        sets[f"{size[0]}x{size[1]}"] = [a_jpeg(seed, size=size, noise=4) for seed in range(number)]
    return sets


def _pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB"))


def _measure(pictures: Pictures, config: PixelConfig, rounds: int) -> Row:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    from img2dataset.resizer import Resizer

    resizer = Resizer(config.image_size, config.resize_mode, config.resize_only_if_bigger, encode_quality=95)
    fields = config.model_dump()
    for data in pictures:
        if not np.array_equal(_pixels(store_image(data, **fields).data), _pixels(resizer(BytesIO(data))[0])):
            raise SystemExit("the pixels of the two are not equal")
    return measure(
        len(pictures),
        lambda: [store_image(data, **fields) for data in pictures],
        lambda: [resizer(BytesIO(data)) for data in pictures],
        rounds=rounds,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=int, default=MEGAPIXELS, help="of each set, about")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    parts = []
    for name, pictures in _sets(arguments.megapixels).items():
        row = _measure(pictures, PixelConfig(), arguments.rounds)
        kilobytes = sum(map(len, pictures)) / len(pictures) / 1000
        peer = f"img2dataset {version('img2dataset')}, Resizer"
        parts.append(f"{name}, {kilobytes:,.0f} kB each:\n\n" + table("pictures", "pipelines.pixels", peer, [row]))
    write_section(
        "Storing",
        "python -m benchmarks.storing",
        "Decode, resize to 256 px (`keep_ratio_largest`) and encode JPEGs, in one thread each, interleaved. Ours also "
        "checks that the picture is whole and nothing else, applies EXIF's turn and the color profile. Both give equal "
        "pixels, which is checked before the clock starts. What is left is libjpeg's decoding and OpenCV's filter, the "
        "same in both.\n\n" + "\n\n".join(parts),
    )
