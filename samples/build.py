"""Make the sample corpus again, byte for byte, from named releases of public packages.

    python -m samples.build WORK_FOLDER

Needs apt-get and dpkg-deb (Debian 12), npm, Python 3.11 and
    pip install pillow==12.3.0 resvg_py==0.5.0 PySide6-Essentials==6.12.0 python-debian==1.0.1
WORK_FOLDER keeps the packages; everything else is written beside this file.
"""

import argparse
import io
import json
import re
from pathlib import Path
from typing import Any

from PIL import Image

from samples._drawings import Drawing, iconify_drawings, openmoji_drawings, render
from samples._packages import GCOMPRIS, LOMIRI_16, LOMIRI_20, NOTO, OPENMOJI, TWEMOJI, open_package
from samples._papers import write_papers
from samples._photographs import Photograph, gcompris_photographs, lomiri_photographs, shrink
from samples._records import Picture, commons_page, commons_title, openverse_result, yfcc_row

SAMPLES = Path(__file__).parent
COMMONS_PAGES_PER_ANSWER = 50
OPENVERSE_RESULTS_PER_PAGE = 500
ANSWERED_AT = "2023-02-18T15:03:35Z"
"""Date of gcompris-qt 3.1-2 in its changelog: the claims are at least that old."""

LINK_ROT = frozenset(
    {
        "gcompris-categorization-tools-hammer7",
        "gcompris-erase-horse",
        "lomiri-seeding-by-clements-engelhardt",
    }
    | {"openmoji-1f40c", "openmoji-2693", "twemoji-1f355"}
)
"""Pictures that we could ship and leave out, so that their records stand for dead links."""
CUT_OUT = re.compile(r"gcompris-details-.*-\d+")
OFFERED_AGAIN = "gcompris-erase-"
NUM_OFFERED_TWICE = 14
NUM_OFFERED_SMALLER = 8
SMALLER_SIDE_PX = 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for the downloaded packages")
    work = parser.parse_args().work.resolve()
    for folder in ("photographs", "drawings", "sources"):
        (SAMPLES / folder).mkdir(exist_ok=True)
    photographs, num_commons = write_photographs(work)
    drawings = write_drawings(work)
    write_papers(SAMPLES, photographs, drawings, num_commons=num_commons)
    remove_leftovers({picture.path for _, picture in photographs + drawings if picture.num_bytes})


def write_photographs(work: Path) -> tuple[list[tuple[Photograph, Picture]], int]:
    """Write the photographs and their records; return both, Commons' first, and its number."""
    photographs = gcompris_photographs(open_package(GCOMPRIS, work))
    photographs += lomiri_photographs(open_package(LOMIRI_16, work))
    photographs += lomiri_photographs(open_package(LOMIRI_20, work))
    commons, others = split_by_source(photographs)
    commons_rows = [(photograph, write_photograph(photograph)) for photograph in commons]
    yfcc_rows = [(photograph, write_photograph(photograph)) for photograph in others]
    yfcc_rows += offer_again(commons_rows)
    write_answers(commons_rows)
    lines = [yfcc_row(photograph, picture) for photograph, picture in yfcc_rows]
    (SAMPLES / "sources/yfcc.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return commons_rows + yfcc_rows, len(commons_rows)


def split_by_source(photographs: list[Photograph]) -> tuple[list[Photograph], list[Photograph]]:
    """Return the first photograph of every Commons page, and all others.

    A cut-out is never the page's record, since that is about the whole photograph.
    """
    commons: dict[str, Photograph] = {}
    others = []
    for photograph in sorted(photographs, key=lambda photograph: photograph.name):
        title = commons_title(photograph.claim.page)
        is_cut_out = CUT_OUT.fullmatch(photograph.name) is not None
        if title and title not in commons and not is_cut_out:
            commons[title] = photograph
        else:
            others.append(photograph)
    return list(commons.values()), others


def write_photograph(photograph: Photograph, *, suffix: str = "", side_px: int = 256) -> Picture:
    """Write the photograph's bytes if we may and mean to; return what its URL gives."""
    path = f"photographs/{photograph.name}{suffix}.jpg"
    if not photograph.is_free or photograph.name in LINK_ROT:
        return Picture(path=path, width=0, height=0, num_bytes=0)
    return write_picture(path, shrink(photograph.load(), longest_side_px=side_px))


def offer_again(rows: list[tuple[Photograph, Picture]]) -> list[tuple[Photograph, Picture]]:
    """Offer some photographs from Commons at a second address: the same bytes, or smaller."""
    shipped = [
        photograph for photograph, picture in rows if picture.num_bytes and photograph.name.startswith(OFFERED_AGAIN)
    ]
    again = shipped[:NUM_OFFERED_TWICE]
    smaller = shipped[NUM_OFFERED_TWICE : NUM_OFFERED_TWICE + NUM_OFFERED_SMALLER]
    return [(photograph, write_photograph(photograph, suffix="-again")) for photograph in again] + [
        (photograph, write_photograph(photograph, suffix="-smaller", side_px=SMALLER_SIDE_PX)) for photograph in smaller
    ]


def write_answers(rows: list[tuple[Photograph, Picture]]) -> None:
    """Write the Commons records as answers of at most fifty pages, by page id as the API does."""
    pages = sorted((commons_page(*row) for row in rows), key=lambda page: page["pageid"])
    assert len({page["pageid"] for page in pages}) == len(pages)
    answers = []
    for start in range(0, len(pages), COMMONS_PAGES_PER_ANSWER):
        batch = pages[start : start + COMMONS_PAGES_PER_ANSWER]
        query = {"pages": {str(page["pageid"]): page for page in batch}}
        answers.append({"batchcomplete": "", "curtimestamp": ANSWERED_AT, "query": query})
    text = json.dumps(answers, ensure_ascii=False, indent=1)
    (SAMPLES / "sources/commons.json").write_text(text + "\n", encoding="utf-8")


def write_drawings(work: Path) -> list[tuple[Drawing, Picture]]:
    """Write the drawings and their records; return both."""
    openmoji = open_package(OPENMOJI, work)
    drawings = openmoji_drawings(openmoji)
    drawings += iconify_drawings(open_package(TWEMOJI, work), openmoji)
    drawings += iconify_drawings(open_package(NOTO, work), openmoji)
    rows = [(drawing, write_drawing(drawing)) for drawing in drawings]
    pages: list[dict[str, Any]] = []
    for start in range(0, len(rows), OPENVERSE_RESULTS_PER_PAGE):
        results = [openverse_result(*row) for row in rows[start : start + OPENVERSE_RESULTS_PER_PAGE]]
        pages.append(
            {
                "result_count": len(rows),
                "page_count": -(-len(rows) // OPENVERSE_RESULTS_PER_PAGE),
                "page_size": OPENVERSE_RESULTS_PER_PAGE,
                "page": len(pages) + 1,
                "results": results,
            }
        )
    (SAMPLES / "sources/openverse.json").write_text(one_result_a_line(pages), encoding="utf-8")
    return rows


def write_drawing(drawing: Drawing) -> Picture:
    path = f"drawings/{drawing.name}.png"
    if not drawing.is_free or drawing.name in LINK_ROT:
        return Picture(path=path, width=0, height=0, num_bytes=0)
    return write_picture(path, render(drawing.svg))


def write_picture(path: str, data: bytes) -> Picture:
    """Write the bytes, unless they are there already: others may be reading them."""
    file = SAMPLES / path
    if not file.exists() or file.read_bytes() != data:
        file.write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        return Picture(path=path, width=image.width, height=image.height, num_bytes=len(data))


def remove_leftovers(paths: set[str]) -> None:
    """Remove the pictures of an earlier build that this one does not have."""
    for folder in ("photographs", "drawings"):
        for file in (SAMPLES / folder).iterdir():
            if f"{folder}/{file.name}" not in paths:
                file.unlink()


def one_result_a_line(pages: list[dict[str, Any]]) -> str:
    """Return the pages as JSON, one result a line, so that one picture changes one line."""
    texts = []
    for page in pages:
        head = json.dumps({key: value for key, value in page.items() if key != "results"})[:-1]
        results = ",\n".join(
            json.dumps(result, ensure_ascii=False, separators=(",", ":")) for result in page["results"]
        )
        texts.append(f'{head}, "results": [\n{results}\n]}}')
    return "[" + ",\n".join(texts) + "]\n"


if __name__ == "__main__":
    main()
