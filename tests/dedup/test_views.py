from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from byline.dedup.colors import GRID_BYTES, color_grid
from byline.dedup.frames import Frame, find_frame
from byline.dedup.hashes import hash_of_frequencies, low_frequencies, perceptual_hashes
from byline.dedup.views import (
    AMBIGUOUS,
    TRIMMED,
    TRIMMED_TURNED,
    TURNED,
    VIEW_BYTES,
    Turn,
    View,
    canonical_turns,
    pack_views,
    unpack_views,
    views_of,
)
from tests.builders import a_picture, encoded

SAMPLES = Path(__file__).parents[2] / "samples"
EIGHT = [Turn(flip_x=x, flip_y=y, swap=s) for x in (False, True) for y in (False, True) for s in (False, True)]


def turned(image: Image.Image, turn: Turn) -> Image.Image:
    """Return the picture turned, pixel by pixel."""
    pixels = np.asarray(image)[:: -1 if turn.flip_y else 1, :: -1 if turn.flip_x else 1]
    return Image.fromarray(np.ascontiguousarray(pixels.swapaxes(0, 1) if turn.swap else pixels))


def a_photograph(place: int = 0) -> Image.Image:
    """Return a real photograph, about 256 px."""
    with Image.open(sorted((SAMPLES / "photographs").glob("*.jpg"))[place]) as opened:
        return opened.convert("RGB")


def recoded(image: Image.Image, quality: int = 75) -> Image.Image:
    """Return the picture after JPEG."""
    return Image.open(BytesIO(encoded(image, quality=quality))).convert("RGB")


def apart(one: bytes, other: bytes) -> int:
    """Return the distance in bits."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


def nearest(one: Image.Image, other: Image.Image) -> int:
    """Return the least distance of any view of one and any of the other, upright ones among them."""
    looks = [[perceptual_hashes(image)[1], *(view.code for view in views_of(image))] for image in (one, other)]
    return min(apart(mine, theirs) for mine in looks[0] for theirs in looks[1])


def a_view(**overrides) -> View:
    return View(**{"kind": TURNED, "code": bytes(32), "colors": bytes(GRID_BYTES), **overrides})


@pytest.mark.parametrize("place", [0, 100, 200])
@pytest.mark.parametrize("turn", EIGHT)
def test_turned_frequencies_are_those_of_the_turned_picture(place, turn):
    image = a_photograph(place)
    expected = perceptual_hashes(turned(image, turn))[1]
    low = low_frequencies(image.convert("L"))
    assert apart(hash_of_frequencies(turn.of_frequencies(low)), expected) <= 4  # pixels are rounded in another order


@pytest.mark.parametrize("place", [0, 100, 200])
def test_frequencies_hash_as_imagehash_does(place):
    image = a_photograph(place)
    assert hash_of_frequencies(low_frequencies(image.convert("L"))) == perceptual_hashes(image)[1]


@pytest.mark.parametrize("turn", EIGHT)
def test_turned_colors_are_those_of_the_turned_picture(turn):
    image = a_photograph()
    cells = np.frombuffer(color_grid(image), np.uint8).reshape(4, 4, 3)
    expected = np.frombuffer(color_grid(turned(image, turn)), np.uint8).astype(int)
    assert np.abs(turn.of_cells(cells).ravel() - expected).max() <= 1


@pytest.mark.parametrize("turn", EIGHT)
@pytest.mark.parametrize("place", range(0, 400, 50))
def test_every_turn_of_a_photograph_is_found(turn, place):
    image = a_photograph(place)
    assert nearest(image, recoded(turned(image, turn))) <= 12


@given(st.integers(0, 10_000), st.sampled_from(EIGHT))
@settings(max_examples=60, deadline=None)
def test_the_standard_orientation_of_a_turned_picture_is_the_same(seed, turn):
    low = np.random.default_rng(seed).normal(size=(16, 16))

    def standard(frequencies):
        return {one.of_frequencies(frequencies).tobytes() for one in canonical_turns(frequencies)}

    assert standard(low) == standard(turn.of_frequencies(low))


@pytest.mark.parametrize(("factor", "ways"), [(0.0, 2), (0.5, 2), (2.0, 1)])
def test_both_ways_are_kept_where_the_way_to_flip_is_ambiguous(factor, ways):
    low = np.zeros((16, 16))
    low[1, 0], low[0, 1], low[0, 2] = 0.5, factor * AMBIGUOUS, np.sqrt(0.75)
    assert len({turn.flip_x for turn in canonical_turns(low)}) == ways


def test_a_view_that_is_the_upright_one_is_left_out():
    image = a_picture(3)
    standard = turned(image, canonical_turns(low_frequencies(image.convert("L")))[0])
    assert all(view.code != perceptual_hashes(standard)[1] for view in views_of(standard))


@pytest.mark.parametrize("image", [Image.new("RGB", (40, 30), "teal"), Image.new("RGB", (1, 1))])
def test_a_flat_picture_has_no_views(image):
    assert views_of(image) == ()


@pytest.mark.parametrize("color", ["white", "black", "gray"])
@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("width", [1, 5, 13, 26])
def test_a_frame_is_found_to_the_pixel(color, quality, width):
    framed = recoded(ImageOps.expand(a_photograph(), width, color), quality)
    frame = find_frame(framed)
    assert frame is not None
    assert max(abs(depth - width) for depth in (frame.left, frame.top, frame.right, frame.bottom)) <= 1


def test_a_letterbox_is_a_frame():
    image = a_photograph()
    boxed = recoded(ImageOps.expand(image, (0, 20), "black"))
    assert find_frame(boxed) == Frame(left=0, top=20, right=0, bottom=20)


def test_a_frame_is_as_wide_beside_a_sky_of_its_own_tone_as_elsewhere():
    image = a_photograph()
    image.paste("white", (0, 0, image.width, image.height // 5))
    assert find_frame(recoded(ImageOps.expand(image, 13, "white"))) == Frame(left=13, top=13, right=13, bottom=13)


def test_a_photograph_has_no_frame():
    assert find_frame(a_photograph()) is None


def test_a_bar_on_one_side_is_no_frame():
    assert find_frame(recoded(ImageOps.expand(a_photograph(), (0, 0, 0, 20), "black"))) is None


def test_a_disk_on_white_has_no_frame():
    y, x = np.mgrid[:80, :80]
    disk = np.where((x - 40) ** 2 + (y - 40) ** 2 < 30**2, 90, 255).astype(np.uint8)
    assert find_frame(Image.fromarray(disk).convert("RGB")) is None


def test_a_frame_too_wide_to_be_one_is_left():
    assert find_frame(ImageOps.expand(a_photograph(), 200, "white")) is None


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_pictures_of_every_size_have_views_that_pack(width, height, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = ImageOps.expand(Image.fromarray(pixels), seed % 3, "white")
    assert len(pack_views(views_of(image))) % VIEW_BYTES == 0


@pytest.mark.parametrize("color", ["white", "black"])
def test_a_framed_picture_is_found(color):
    image = a_photograph()
    assert nearest(image, recoded(ImageOps.expand(image, 13, color))) <= 12


def test_a_framed_and_turned_picture_is_found():
    image = a_photograph()
    framed = recoded(ImageOps.expand(image.transpose(Image.Transpose.TRANSVERSE), 13, "white"))
    assert nearest(image, framed) <= 12
    assert {view.kind for view in views_of(framed)} == {TURNED, TRIMMED, TRIMMED_TURNED}


def test_a_frame_around_nothing_is_not_trimmed():
    framed = ImageOps.expand(Image.new("RGB", (60, 60), "red"), 12, "white")
    assert {view.kind for view in views_of(framed)} <= {TURNED}


def test_packing_sorts_and_drops_repetitions():
    low, high = a_view(), a_view(kind=TRIMMED)
    assert pack_views([high, low, high]) == pack_views([low, high])


def test_unpacking_gives_back_what_was_packed():
    views = [a_view(code=bytes([row]) * 32, colors=bytes([row + 1]) * GRID_BYTES) for row in range(5)]
    packed = [pack_views(views[:2]), b"", None, pack_views(views[2:])]
    column = pa.chunked_array([pa.array(packed[:1], pa.binary()), pa.array([b"", *packed, b""], pa.binary())[2:5]])
    row_V, kind_V, code_V32, colors_V48 = unpack_views(column)
    assert row_V.tolist() == [0, 0, 3, 3, 3]
    assert kind_V.tolist() == [TURNED] * 5
    assert [bytes(code) for code in code_V32] == [view.code for view in views]
    assert [bytes(colors) for colors in colors_V48] == [view.colors for view in views]


def test_a_missing_value_that_still_has_bytes_has_no_views():
    packed = pack_views([a_view()])
    offsets, is_there = np.array([0, 81, 162], np.int32), np.packbits([0, 1], bitorder="little")
    buffers = [pa.py_buffer(is_there), pa.py_buffer(offsets), pa.py_buffer(packed * 2)]
    column = pa.chunked_array([pa.Array.from_buffers(pa.binary(), 2, buffers)])
    assert unpack_views(column)[0].tolist() == [1]


def test_no_views_unpack_to_none():
    row_V, kind_V, code_V32, colors_V48 = unpack_views(pa.chunked_array([], pa.binary()))
    assert (row_V.shape, kind_V.shape, code_V32.shape, colors_V48.shape) == ((0,), (0,), (0, 32), (0, 48))


def test_a_damaged_value_is_named():
    with pytest.raises(ValueError, match="views of row 1 have 80 bytes, no multiple of 81"):
        unpack_views(pa.chunked_array([pa.array([pack_views([a_view()]), bytes(80)])]))
