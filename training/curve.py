"""Draw the loss of a run over the images it has seen, as a PNG.

python -m byline.training.curve demo/run loss.png
"""

import math
import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from byline.catalog.errors import BylineError, CheckpointError
from byline.training.log import read_log
from byline.training.loop import LOG

SIZE_PX = (640, 320)
LEFT, TOP, RIGHT, BOTTOM = 56, 28, 624, 276
SMOOTH = 0.8


def draw_curve(run: str, out: str) -> None:
    """Write the curve: the log's values in gray, their running mean in blue, a logarithmic loss axis."""
    entries = read_log(Path(run) / LOG)
    if len(entries) < 2:
        raise CheckpointError(f"{run} has no log of two entries; train it first")
    images, losses = [e.images_seen for e in entries], [e.loss for e in entries]
    low, high = math.log(min(losses)), math.log(max(losses))
    scale = (BOTTOM - TOP) / max(high - low, 1e-9)

    def place(seen: int, loss: float) -> tuple[float, float]:
        return LEFT + (RIGHT - LEFT) * seen / images[-1], TOP + (high - math.log(loss)) * scale

    image = Image.new("RGB", SIZE_PX, "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(13)
    draw.line([(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], "black")
    draw.line([place(*point) for point in zip(images, losses, strict=True)], (190, 190, 190))
    draw.line([place(*point) for point in zip(images, _running_mean(losses), strict=True)], (30, 80, 200), 2)
    for loss in (min(losses), max(losses)):
        draw.text((6, place(0, loss)[1] - 8), f"{loss:.3f}", "black", font)
    draw.text((LEFT, 6), f"loss of {run} (log scale)", "black", font)
    draw.text((LEFT, BOTTOM + 8), "0", "black", font)
    draw.text((RIGHT, BOTTOM + 8), f"{images[-1]:,} images seen", "black", font, anchor="ra")
    image.save(out)


def _running_mean(values: list[float]) -> list[float]:
    means, total, weight = [], 0.0, 0.0
    for value in values:
        total, weight = SMOOTH * total + value, SMOOTH * weight + 1
        means.append(total / weight)
    return means


if __name__ == "__main__":
    try:
        draw_curve(*sys.argv[1:])
    except BylineError as error:
        sys.exit(f"byline: {error}")
