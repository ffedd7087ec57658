"""Lists of hashes, and packs to hold against them."""

import numpy as np
import pyarrow as pa
from PIL import Image

from byline.pictures.files import FoundFile
from byline.pipelines.facts.evaluation_hashing import hash_picture, make_evaluation_set
from tests.builders import encoded


def a_photograph(seed, *, size=(256, 192)):
    """Return a picture with as much detail as a hash sees, and more: JPEG changes few bits."""
    cells = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def a_list(folder, images, *, name="val", **options):
    """Write the list of these pictures, named by their places, and return its path."""
    files = [FoundFile(name=f"{number}.png", data=encoded(image, "PNG")) for number, image in enumerate(images)]
    path = folder / f"{name}.parquet"
    path.write_bytes(make_evaluation_set(files, name=name, **options).data)
    return path


def measured(images):
    """Return what a judgement knows of pictures: the arguments of `EvaluationSets.contaminated`."""
    rows = [hash_picture(image, "") for image in images]
    codes = np.stack([np.frombuffer(row["phash256"], np.uint8) for row in rows])
    views = pa.chunked_array([pa.array([row["views"] for row in rows], pa.binary())])
    flat = np.array([row["flat"] for row in rows])
    return codes, views, flat, pa.chunked_array([pa.array([row["pixels"] for row in rows])])
