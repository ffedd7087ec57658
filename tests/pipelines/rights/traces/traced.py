"""A corpus and runs that pictures are traced through."""

from pathlib import Path

from PIL import Image

from byline.pipelines.rights.traces.tracing import trace
from tests.builders import a_yfcc_line, encoded, write_corpus

REPOSITORY = Path(__file__).parents[4]
PICTURES = "https://pictures.example"
PHOTOGRAPHS = sorted((REPOSITORY / "samples/photographs").glob("lomiri-*.jpg"))[:6]
HOSTILE = "[bold]evil[/]\x1b[31m\u202etitle"


def a_copy(number, scale, *, quality):
    with Image.open(PHOTOGRAPHS[number]) as image:
        size = [round(side * scale) for side in image.size]
        return encoded(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), quality=quality)


def write_traced(folder):
    """Write a corpus: six photographs, a copy, equal bytes twice, a license that is refused, a missing file."""
    lines = []
    for number in range(6):
        page = f"https://example.org/page/{number}"
        title = HOSTILE if number == 0 else f"number+{number}"
        lines.append(a_yfcc_line(str(number), f"{PICTURES}/{number}.jpg", pageurl=page, title=title))
    lines += [
        a_yfcc_line("copy", f"{PICTURES}/copy.jpg"),
        a_yfcc_line("again", f"{PICTURES}/1.jpg"),
        a_yfcc_line("nc", f"{PICTURES}/2.jpg", licenseurl="", licensename="CC BY-NC 4.0"),
        a_yfcc_line("gone", f"{PICTURES}/gone.jpg"),
    ]
    config = write_corpus(folder, lines, num_packs=2)
    for number in range(len(PHOTOGRAPHS)):
        (folder / f"pictures/{number}.jpg").write_bytes(PHOTOGRAPHS[number].read_bytes())
    (folder / "pictures/copy.jpg").write_bytes(a_copy(0, 1.0, quality=60))
    return config


def one_trace(store, x, *seen):
    (found,) = trace(store, x, *seen)
    return found


def in_newest(found):
    return next(release for release in found.releases if release.is_newest)
