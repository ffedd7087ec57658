from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from byline.diffusion.grid import GAP_PX, grid_png


def pictures(count):
    return np.full((count, 3, 8, 8), 200, np.uint8)


@pytest.mark.parametrize(
    ("count", "prompts", "cells"), [(4, 4, (2, 2)), (6, 2, (3, 2)), (5, 5, (3, 2)), (1, 1, (1, 1))]
)
def test_cells_are_rows_of_a_prompt_or_a_square(count, prompts, cells):
    png = grid_png(pictures(count), ["a red circle"] * prompts, notes={})
    width, height = Image.open(BytesIO(png)).size
    assert (width // 128, height // 160) == cells


def test_a_picture_that_is_no_square_is_not_stretched():
    png = grid_png(np.zeros((1, 3, 20, 40), np.uint8), ["a"], notes={})
    is_black = (np.asarray(Image.open(BytesIO(png))).max(axis=2) == 0)[: GAP_PX + 128]
    assert (is_black.any(axis=0).sum(), is_black.any(axis=1).sum()) == (128, 64)


def test_notes_are_in_the_file():
    png = grid_png(pictures(1), ["x"], notes={"seed": "7"})
    assert PngImageFile(BytesIO(png)).text == {"seed": "7"}


def test_the_prompt_is_written_below():
    blank, written = (grid_png(pictures(1), [prompt], notes={}) for prompt in ("", "a red circle"))
    assert np.asarray(Image.open(BytesIO(written))).min() < np.asarray(Image.open(BytesIO(blank))).min()
