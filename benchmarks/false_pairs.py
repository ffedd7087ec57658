"""A sheet of the strangers that look most alike to an embedding, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_CELL_PX, _ROWS, _COLUMNS = 110, 6, 5


def write_sheet(images: Sequence[Image.Image], vectors_ND: NDArray[np.float16], path: Path) -> None:
    """Write the 30 pairs of highest cosine as a picture, each with its cosine."""
    vectors = vectors_ND.astype(np.float32)
    i, j = np.triu_indices(len(vectors), 1)
    cosines = (vectors[i] * vectors[j]).sum(axis=1)
    sheet = Image.new("RGB", (_COLUMNS * 2 * _CELL_PX + _COLUMNS * 10, _ROWS * (_CELL_PX + 16)), "white")
    pen = ImageDraw.Draw(sheet)
    for index, pair in enumerate(np.argsort(-cosines, kind="stable")[: _ROWS * _COLUMNS]):
        left, top = index % _COLUMNS * (2 * _CELL_PX + 10), index // _COLUMNS * (_CELL_PX + 16)
        for side, row in enumerate((i[pair], j[pair])):
            sheet.paste(images[row].resize((_CELL_PX - 2, _CELL_PX - 2)), (left + side * _CELL_PX, top))
        pen.text((left, top + _CELL_PX), f"{cosines[pair]:.3f}", fill="black")
    sheet.save(path)
