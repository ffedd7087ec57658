"""From the files of an evaluation set to a list of hashes: safely, completely, and always to the same bytes."""

import struct
import zlib
from io import BytesIO

import pyarrow.parquet as pq
import pytest
from PIL import Image

from byline.catalog.errors import ConfigError
from byline.dedup.hashes import perceptual_hashes, pixel_digest
from byline.dedup.views import pack_views, views_of
from byline.pictures.config import PixelConfig
from byline.pictures.files import FoundFile
from byline.pictures.pixels import store_image
from byline.pipelines.beam.stages.measure import measure_hashes
from byline.pipelines.facts.evaluation_hashing import make_evaluation_set
from byline.pipelines.facts.evaluation_sets import load_evaluation_list, load_evaluation_sets
from tests.builders import a_picture, encoded
from tests.pipelines.facts.evaluation.lists import a_list, a_photograph, measured


def _file(name, data):
    return FoundFile(name=name, data=data)


def _rows(made):
    return pq.read_table(BytesIO(made.data)).to_pylist()


def _a_bomb():
    """A PNG of some bytes that says it has 40 billion pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    end = b"\0\0\0\0IEND\xaeB`\x82"
    return b"\x89PNG\r\n\x1a\n" + chunk + end


def test_a_row_is_what_a_corpus_measures_of_the_same_pixels():
    image = a_picture(1)
    (row,) = _rows(make_evaluation_set([_file("1.png", encoded(image, "PNG"))], name="val"))
    assert row == {
        "phash256": perceptual_hashes(image)[1],
        "views": pack_views(views_of(image)),
        "flat": False,
        "pixels": pixel_digest(image),
        "name": "1.png",
    }
    assert measure_hashes(image)["phash256"] == row["phash256"]


def test_a_picture_that_lies_turned_is_hashed_upright():
    image, turned = a_picture(1), a_picture(1).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    files = [_file("a.png", encoded(image, "PNG")), _file("b.png", encoded(turned, "PNG", exif=exif))]
    one, other = _rows(make_evaluation_set(files, name="val"))
    assert one["phash256"] == other["phash256"]


def test_the_order_of_files_does_not_show():
    files = [_file(f"{seed}.png", encoded(a_picture(seed), "PNG")) for seed in range(20)]
    assert make_evaluation_set(files, name="val").data == make_evaluation_set(files[::-1], name="val").data


def test_a_list_says_what_it_is(tmp_path):
    path = a_list(tmp_path, [a_picture(1), a_picture(2)], name="coco-val")
    said = pq.read_metadata(path).metadata
    assert (said[b"name"], said[b"num_pictures"]) == (b"coco-val", b"2")
    assert load_evaluation_list(path).name == "coco-val"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (_a_bomb(), "the limit is 100,000,000 pixels"),
        (encoded(a_picture(1))[:-200], ""),
        (encoded(a_picture(1), "PNG")[:-30], ""),
    ],
    ids=["bomb", "half a JPEG", "half a PNG"],
)
def test_what_cannot_be_decoded_is_named_and_the_others_are_hashed(data, problem):
    made = make_evaluation_set([_file("bad", data), _file("good", encoded(a_picture(2)))], name="val")
    assert [row["name"] for row in _rows(made)] == ["good"]
    assert [one.name for one in made.problems] == ["bad"]
    assert problem in made.problems[0].problem


def test_labels_are_counted_by_their_suffix():
    beside = [FoundFile(name=f"{name}", problem="text", is_beside=True) for name in ("1.txt", "2.TXT", "1.json")]
    made = make_evaluation_set([*beside, _file("1.jpg", encoded(a_picture(1)))], name="val")
    assert (made.beside, made.problems) == ({".json": 1, ".txt": 2}, ())


def test_a_set_of_which_nothing_can_be_read_is_an_error():
    with pytest.raises(ConfigError, match="none of 1 files is a picture that can be read; the first: 1.jpg: "):
        make_evaluation_set([_file("1.jpg", b"\xff\xd8\xff")], name="val")


CROPPED = PixelConfig(image_size=64, resize_mode="center_crop")


@pytest.mark.parametrize("stored_by", [None, CROPPED])
def test_what_a_corpus_crops_is_found_when_hashed_as_it_stores_pictures(stored_by, tmp_path):
    wide = a_photograph(3, size=(300, 100))
    sets = load_evaluation_sets([a_list(tmp_path, [wide], stored_by=stored_by)], radius_bits=31)
    stored = store_image(encoded(wide), **CROPPED.model_dump()).data
    assert sets.contaminated(*measured([Image.open(BytesIO(stored))])).all() == (stored_by is not None)


def test_a_flat_picture_is_found_when_hashed_as_it_is_stored(tmp_path):
    white = Image.new("RGB", (300, 100), "white")
    white.paste("black", (0, 0, 4, 4))
    sets = load_evaluation_sets([a_list(tmp_path, [white], stored_by=PixelConfig())], radius_bits=31)
    stored = store_image(encoded(white, "PNG"), **PixelConfig().model_dump()).data
    assert sets.contaminated(*measured([Image.open(BytesIO(stored))])).all()
