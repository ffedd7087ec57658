from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from byline.diffusion.pixels import shaped, square, to_bytes, to_network


def a_png(mode, size, color):
    buffer = BytesIO()
    Image.new(mode, size, color).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize("size", [(64, 64), (200, 50), (31, 97), (1, 300), (8, 9)])
def test_every_shape_becomes_a_square(size):
    pixels = square(a_png("RGB", size, (10, 200, 30)), 16)
    assert pixels.shape == (3, 16, 16)
    assert pixels.reshape(3, -1).T.tolist() == [[10, 200, 30]] * 256


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (255, 0, 0, 0)), ("LA", (0, 0)), ("L", 255)])
def test_what_is_transparent_is_white(mode, color):
    assert square(a_png(mode, (20, 20), color), 8).min() == 255


def test_the_middle_is_kept():
    picture = Image.new("RGB", (30, 10), "black")
    picture.paste((255, 255, 255), (10, 0, 20, 10))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    assert square(buffer.getvalue(), 10).min() == 255


@pytest.mark.parametrize("shape", [(24, 40), (32, 32), (40, 24)])
@pytest.mark.parametrize("size", [(300, 200), (200, 300), (250, 250), (401, 200)])
def test_a_circle_stays_a_circle_in_the_middle(size, shape):
    picture = Image.new("L", size, "black")
    width, height = size
    ImageDraw.Draw(picture).ellipse((width / 2 - 60, height / 2 - 60, width / 2 + 60, height / 2 + 60), "white")
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    pixels = shaped(buffer.getvalue(), shape)
    assert pixels.shape == (3, *shape)
    down, across = (pixels[0] > 127).any(axis=1).sum(), (pixels[0] > 127).any(axis=0).sum()
    assert abs(int(down) - int(across)) <= 1
    assert down == pytest.approx(120 * max(shape[1] / width, shape[0] / height), abs=1.5)
    middle = np.argwhere(pixels[0] > 127).mean(axis=0)
    assert middle == pytest.approx([(shape[0] - 1) / 2, (shape[1] - 1) / 2], abs=1)


def test_bytes_come_back():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_bytes(to_network(values)), values)
    assert np.isclose(to_network(values).min(), -1)
