"""Make the pictures that tiny-blip2 learns from and is measured on: `python -m samples.captioner.data WORK`.

Needs npm and `pip install 'byline[samples]'`. WORK keeps the packages, and gets pictures.npy and pictures.json.
Drawings are those of samples/, and those of the emoji sets in sets.py; photographs are those of samples/.
"""

import argparse
import io
import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import numpy as np
import numpy.typing as npt
from PIL import Image

SAMPLES = Path(__file__).parent.parent
SIDE_PX = 64
"""Side of the pictures as the captioner sees them."""
_SET_ASIDE = ("background",)
"""Words of file names that say nothing of the picture."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One picture: which set it is of, its title, and words that its source has for it."""

    of_set: str
    name: str
    title: str
    tags: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path, help="folder for the downloaded packages and the pictures")
    work = parser.parse_args().work.resolve()
    rows, pixels = zip(*_all(work), strict=True)
    np.save(work / "pictures.npy", np.stack(pixels))
    (work / "pictures.json").write_text(json.dumps([asdict(row) for row in rows], indent=0), encoding="utf-8")
    print(f"{len(rows):,} pictures")


def read(work: Path) -> tuple[list[Row], npt.NDArray[np.uint8]]:
    """Return what `main` wrote: rows, and for each red, green, blue and opacity, `(N, 4, SIDE_PX, SIDE_PX)`."""
    rows = [Row(**row) for row in json.loads((work / "pictures.json").read_text(encoding="utf-8"))]
    return rows, np.load(work / "pictures.npy", mmap_mode="r")


def _all(work: Path) -> Iterator[tuple[Row, npt.NDArray[np.uint8]]]:
    have = set()
    for row, file in sample_rows():
        have.add(row.name)
        yield row, squared(Image.open(file))
    yield from _emoji(work, have)


def sample_rows() -> list[tuple[Row, Path]]:
    """Return the pictures of samples/, by name, once each, and their files."""
    rows = [*_drawings(), *_commons(), *_yfcc()]
    return [(row, file) for row, file in sorted(rows, key=lambda pair: str(pair[1])) if file.exists()]


def squared(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return a picture squashed to a square, colors before rows."""
    small = image.convert("RGBA").resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
    return np.asarray(small).transpose(2, 0, 1)


def _emoji(work: Path, have: set[str]) -> Iterator[tuple[Row, npt.NDArray[np.uint8]]]:
    """Yield the drawings of all sets that samples/ does not have."""
    from samples._drawings import LEFT_OUT, TONED_SUBGROUPS, render
    from samples.captioner.sets import read_emoji, svgs

    def is_wanted(emoji: dict[str, Any]) -> bool:
        if LEFT_OUT & {emoji["hexcode"], emoji["skintone_base_hexcode"]} or emoji["group"].startswith("extras"):
            return False
        return not emoji["skintone_base_hexcode"] or (
            emoji["skintone_combination"] == "single" and emoji["subgroups"] in TONED_SUBGROUPS
        )

    for of_set, emoji, svg in svgs(work, [row for row in read_emoji(work) if is_wanted(row)]):
        name = f"{of_set}-{emoji['hexcode'].lower()}"
        if name not in have:
            tags = f"{emoji['tags']} {emoji['openmoji_tags']} {emoji['subgroups'].replace('-', ' ')}"
            picture = squared(Image.open(io.BytesIO(render(svg))))
            yield Row(of_set=of_set, name=name, title=emoji["annotation"], tags=tags), picture


def _drawings() -> Iterator[tuple[Row, Path]]:
    for answer in json.loads((SAMPLES / "sources/openverse.json").read_text(encoding="utf-8")):
        for result in answer["results"]:
            file = _file(result["url"])
            tags = " ".join(tag["name"] for tag in result["tags"])
            yield Row(of_set=result["source"], name=file.stem, title=result["title"], tags=tags), file


def _commons() -> Iterator[tuple[Row, Path]]:
    for answer in json.loads((SAMPLES / "sources/commons.json").read_text(encoding="utf-8")):
        for page in answer["query"]["pages"].values():
            info = page["imageinfo"][0]
            described = info["extmetadata"]["ImageDescription"]["value"]
            yield _photograph(info["url"], re.sub(r"<[^>]*>", "", described), "")


def _yfcc() -> Iterator[tuple[Row, Path]]:
    for line in (SAMPLES / "sources/yfcc.tsv").read_text(encoding="utf-8").splitlines():
        columns = line.split("\t")
        yield _photograph(columns[14], unquote_plus(columns[6]), unquote_plus(columns[8]))


def _photograph(url: str, title: str, tags: str) -> tuple[Row, Path]:
    """Return a photograph with the words of its title: no numbers, no "by" and whom, no word that tells files apart."""
    file = _file(url)
    words = [word for word in re.findall(r"[^\W\d_]+", title.split(" by ")[0]) if word.lower() not in _SET_ASIDE]
    return Row(of_set="photographs", name=file.stem, title=" ".join(words), tags=tags), file


def _file(url: str) -> Path:
    return SAMPLES / "/".join(url.split("/")[-2:])


if __name__ == "__main__":
    main()
