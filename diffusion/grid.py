"""Sampled pictures as PNG: many with their prompts written below, or one as it is."""

import math
import textwrap
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

GAP_PX = 8
LINE_PX = 15
FONT_PX = 12
MAX_LINES = 3


def grid_png(
    pictures: npt.NDArray[np.uint8],
    prompts: list[str],
    *,
    notes: dict[str, str],
    picture_px: int = 128,
) -> bytes:
    """Return the bytes of a PNG. Equal arguments give equal bytes.

    `pictures` is `(N, 3, H, W)`, `N` a multiple of the number of prompts, prompt by prompt: one row for each prompt,
    or a square when there is one picture for each. `notes` (checkpoint, seed, ...) go into the PNG's text chunks.
    """
    per_prompt = len(pictures) // len(prompts)
    assert per_prompt * len(prompts) == len(pictures)
    columns = per_prompt if per_prompt > 1 else math.ceil(math.sqrt(len(pictures)))
    rows = math.ceil(len(pictures) / columns)
    cell_px = (picture_px + GAP_PX, picture_px + GAP_PX + MAX_LINES * LINE_PX)
    canvas = Image.new("RGB", (columns * cell_px[0] + GAP_PX, rows * cell_px[1] + GAP_PX), "white")
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(FONT_PX)
    for index, picture in enumerate(pictures):
        left = GAP_PX + index % columns * cell_px[0]
        top = GAP_PX + index // columns * cell_px[1]
        image = Image.fromarray(picture.transpose(1, 2, 0))
        width, height = (round(picture_px * side / max(image.size)) for side in image.size)
        canvas.paste(image.resize((width, height), Image.Resampling.BICUBIC), (left, top))
        if index % per_prompt == 0:
            label = _wrap(prompts[index // per_prompt], width_px=picture_px)
            draw.multiline_text((left, top + picture_px + 2), label, "black", font, spacing=1)
    return _encode(canvas, notes)


def picture_png(picture: npt.NDArray[np.uint8], notes: dict[str, str]) -> bytes:
    """Return the bytes of a PNG of one picture, `(3, H, W)`, as it is. Equal arguments give equal bytes."""
    return _encode(Image.fromarray(picture.transpose(1, 2, 0)), notes)


def _wrap(prompt: str, *, width_px: int) -> str:
    lines = textwrap.wrap(prompt, width=width_px // 6)
    return "\n".join([*lines[: MAX_LINES - 1], " ".join(lines[MAX_LINES - 1 :])])


def _encode(image: Image.Image, notes: dict[str, str]) -> bytes:
    info = PngInfo()
    for key, value in sorted(notes.items()):
        info.add_itxt(key, value)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()
