"""What a list of hashes keeps out, and lists that cannot be used."""

from contextlib import nullcontext
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from byline.catalog.errors import ConfigError
from byline.dedup.views import VIEW_BYTES
from byline.pictures.config import PixelConfig
from byline.pipelines.facts.evaluation_sets import (
    EVALUATION_SCHEMA,
    EvaluationSets,
    load_evaluation_list,
    load_evaluation_sets,
    refuse_uncropped,
)
from byline.pipelines.facts.measures import FINGERPRINT_INSTRUMENT
from tests.builders import a_picture, encoded
from tests.pipelines.facts.evaluation.lists import a_list, a_photograph, measured

FLAT, OTHER_FLAT = (Image.new("RGB", (64, 64), color) for color in ("white", "red"))


def _reencoded(image, quality=50):
    return Image.open(BytesIO(encoded(image, quality=quality))).convert("RGB")


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: _reencoded(image),
        lambda image: image.resize((150, 112)),
        ImageOps.grayscale,
        ImageOps.mirror,
        lambda image: image.rotate(90, expand=True),
        lambda image: ImageOps.expand(image, 20, "black"),
    ],
    ids=["same", "jpeg", "smaller", "gray", "flipped", "turned", "framed"],
)
def test_a_copy_is_contaminated(change, tmp_path):
    sets = load_evaluation_sets([a_list(tmp_path, [a_photograph(1)])], radius_bits=31)
    images = [change(a_photograph(1)).convert("RGB"), a_photograph(2)]
    assert sets.contaminated(*measured(images)).tolist() == [True, False]


def test_without_views_only_the_upright_picture_is_compared(tmp_path):
    sets = load_evaluation_sets([a_list(tmp_path, [a_picture(1)])], radius_bits=31)
    code, _, flat, pixels = measured([a_picture(1), ImageOps.mirror(a_picture(1))])
    assert sets.contaminated(code, None, flat, pixels).tolist() == [True, False]


def test_a_radius_of_0_wants_equal_codes(tmp_path):
    image = a_picture(1)
    sets = load_evaluation_sets([a_list(tmp_path, [image])], radius_bits=0)
    code, _, flat, _ = measured([image, image])
    code = code.copy()
    code[1, 0] ^= 3
    unlike = pa.chunked_array([pa.array([None, "0" * 64])])
    assert sets.contaminated(code, None, flat, unlike).tolist() == [True, False]


def test_a_flat_picture_is_contaminated_by_equal_pixels_only(tmp_path):
    sets = load_evaluation_sets([a_list(tmp_path, [FLAT, a_picture(1)])], radius_bits=31)
    assert sets.contaminated(*measured([FLAT, OTHER_FLAT, FLAT.resize((32, 32))])).tolist() == [True, False, False]


def test_what_was_not_measured_is_not_contaminated(tmp_path):
    sets = load_evaluation_sets([a_list(tmp_path, [a_picture(1), FLAT])], radius_bits=31)
    nothing = pa.chunked_array([pa.array([None], pa.string())])
    no_views = pa.chunked_array([pa.array([None], pa.binary())])
    assert not sets.contaminated(np.zeros((1, 32), np.uint8), no_views, np.array([False]), nothing).any()


def test_many_equal_pictures_cost_what_one_does(tmp_path):
    sets = load_evaluation_sets([a_list(tmp_path, [a_picture(1)] * 300)], radius_bits=31)
    code, _, flat, pixels = measured([a_picture(1)])
    many = 300_000  # with 300 of a list, 90 million pairs of 12 bytes
    found = sets.contaminated(
        np.repeat(code, many, axis=0), None, np.repeat(flat, many), pa.chunked_array([pa.repeat(pixels[0], many)])
    )
    assert found.all()


def test_no_list_keeps_nothing_out():
    sets = EvaluationSets([], radius_bits=31)
    assert sets.is_empty
    assert not sets.contaminated(*measured([a_picture(1)])).any()


def test_of_several_lists_each_keeps_its_pictures_out_in_any_order(tmp_path):
    paths = [a_list(tmp_path, [a_picture(seed)], name=f"list-{seed}") for seed in (1, 2)]
    one, other = (load_evaluation_sets(order, radius_bits=31) for order in (paths, paths[::-1]))
    images = [a_picture(seed) for seed in (1, 2, 3)]
    assert one.contaminated(*measured(images)).tolist() == [True, True, False]
    assert one.digests == other.digests
    assert len(set(one.digests)) == 2


def _rewritten(path, change, **metadata):
    """Write a list again, as another tool might, with other metadata if it says so."""
    said = pq.read_schema(path).metadata | {name.encode(): value for name, value in metadata.items()}
    rows = change(pq.read_table(path)).replace_schema_metadata({key: value for key, value in said.items() if value})
    pq.write_table(rows, path)
    return path


def _with(column, kind, value, row=1):
    def change(rows):
        values = rows[column].to_pylist()
        values[row] = value
        return rows.set_column(rows.schema.get_field_index(column), column, pa.array(values, kind))

    return change


def test_a_list_of_wider_types_is_as_good(tmp_path):
    path = a_list(tmp_path, [a_picture(1)])
    wider = pa.schema([("phash256", pa.binary()), ("views", pa.large_binary()), *list(EVALUATION_SCHEMA)[2:]])
    _rewritten(path, lambda rows: pa.table({name: rows[name].cast(wider.field(name).type) for name in wider.names}))
    assert load_evaluation_sets([path], radius_bits=31).contaminated(*measured([a_picture(1)])).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_with("phash256", pa.binary(32), None), "the column phash256 has nothing in row 1"),
        (_with("phash256", pa.binary(), b"short"), "the column phash256 has not 32 bytes in row 1"),
        (_with("views", pa.binary(), b"x"), f"the column views has no multiple of {VIEW_BYTES} bytes in row 1"),
        (_with("flat", pa.bool_(), None), "the column flat has nothing in row 1"),
        (_with("pixels", pa.string(), "12"), "the column pixels has not 64 bytes in row 1"),
        (lambda rows: rows.drop_columns(["views"]), "lacks the column views; it has phash256, flat"),
        (lambda rows: rows.slice(0, 0), "holds no pictures"),
    ],
)
def test_damage_is_named_with_its_row(change, message, tmp_path):
    path = _rewritten(a_list(tmp_path, [a_picture(1), a_picture(2), FLAT]), change)
    with pytest.raises(ConfigError, match=message):
        load_evaluation_sets([path], radius_bits=31)


@pytest.mark.parametrize("column", ["phash256", "views", "pixels"])
def test_a_flipped_bit_is_noticed(column, tmp_path):
    path = a_list(tmp_path, [a_picture(seed) for seed in range(40)])
    chunk = pq.read_metadata(path).row_group(0).column(EVALUATION_SCHEMA.get_field_index(column))
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset + chunk.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="is damaged"):
        load_evaluation_sets([path], radius_bits=31)


def test_another_instrument_is_refused_by_both_names(tmp_path):
    path = _rewritten(a_list(tmp_path, [a_picture(1)]), lambda rows: rows, instrument="imagehash-3-abc")
    wanted = f"hashes of imagehash-3-abc, this version compares those of {FINGERPRINT_INSTRUMENT}; make it anew with:"
    with pytest.raises(ConfigError, match=wanted):
        load_evaluation_sets([path], radius_bits=31)


def test_hashes_of_no_known_instrument_are_refused(tmp_path):
    path = _rewritten(a_list(tmp_path, [a_picture(1)]), lambda rows: rows, instrument=None)
    with pytest.raises(ConfigError, match="does not say which instrument"):
        load_evaluation_sets([path], radius_bits=31)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"f8f8" * 16 + b"\n" + b"0123" * 16 + b"\n", "usually are PDQ hashes, another instrument"),
        (b"f8f8" * 16 + b",100\n", "usually are PDQ hashes, another instrument"),
        (b"a.jpg\nb.jpg\n", "it is no Parquet file"),
        (b"", "it is no Parquet file"),
        (b"PAR1PAR1", "is damaged"),
    ],
)
def test_what_is_no_list_is_refused(data, message, tmp_path):
    path = tmp_path / "hashes.txt"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=message):
        load_evaluation_sets([path], radius_bits=31)


def test_a_missing_list_says_how_to_make_it(tmp_path):
    with pytest.raises(ConfigError, match="no evaluation set at .*; make it with: byline hashes"):
        load_evaluation_sets([tmp_path / "none.parquet"], radius_bits=31)


CROPPED = PixelConfig(resize_mode="center_crop")


@pytest.mark.parametrize(
    ("stored_by", "pixels", "is_refused"),
    [
        (None, PixelConfig(), False),
        (None, CROPPED, True),
        (PixelConfig(), CROPPED, True),
        (CROPPED, CROPPED.model_copy(update={"image_size": 64}), True),
        (CROPPED, CROPPED.model_copy(update={"encode_quality": 90}), False),
    ],
)
def test_a_corpus_that_crops_wants_lists_that_were_cropped_so(stored_by, pixels, is_refused, tmp_path):
    found = load_evaluation_list(a_list(tmp_path, [a_picture(1)], stored_by=stored_by))
    expected = pytest.raises(ConfigError, match="--stored-by") if is_refused else nullcontext()
    with expected:
        refuse_uncropped([found], pixels)
