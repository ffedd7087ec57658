"""The emoji sets that tiny-blip2 learns from: which, under which licenses, and their drawings by code point."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samples._packages import NOTO, OPENMOJI, TWEMOJI, Package, open_package

SETS = (
    OPENMOJI,
    TWEMOJI,
    NOTO,
    Package(
        name="@iconify-json/noto-v1",
        version="1.2.5",
        kind="npm",
        sha256="2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
    ),
    Package(
        name="@iconify-json/emojione",
        version="1.2.3",
        kind="npm",
        sha256="26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
    ),
    Package(
        name="@iconify-json/emojione-v1",
        version="1.2.3",
        kind="npm",
        sha256="6641d59d48a42823fdc2b84e7427e9f302944eb98d2c7d94d6e67c139e7b37b3",
    ),
    Package(
        name="@iconify-json/fluent-emoji",
        version="1.2.7",
        kind="npm",
        sha256="8044210dbf11e016d4de85f15d01a243423bd832457e7e2491df1b751c0e272b",
    ),
    Package(
        name="@iconify-json/fluent-emoji-flat",
        version="1.2.6",
        kind="npm",
        sha256="7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    ),
    Package(
        name="@iconify-json/fxemoji",
        version="1.2.2",
        kind="npm",
        sha256="f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
    ),
)
_OPEN = frozenset({"CC-BY-4.0", "CC-BY-SA-4.0", "MIT", "Apache-2.0"})
_FLAG_FOR = re.compile(r"^flag-for-(?:flag-)?")


def svgs(work: Path, emoji: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Yield the name of a set, a row of OpenMoji's table, and that emoji's SVG in that set; set by set.

    Some sets name their drawings and not the code points, so names of the others find those. Raises `ValueError` for a
    set whose license is not open.
    """
    folders = {package.name.rpartition("/")[2]: open_package(package, work) for package in SETS}
    openmoji = folders.pop("openmoji")
    for row in emoji:
        yield "openmoji", row, (openmoji / f"color/svg/{row['hexcode']}.svg").read_text(encoding="utf-8")
    tables = {name: {file: read_json(folder / f"{file}.json") for file in _FILES} for name, folder in folders.items()}
    codes = _codes(emoji, [table["chars"] for table in tables.values()])
    for name, table in tables.items():
        if (license := table["info"]["license"]["spdx"]) not in _OPEN:
            raise ValueError(f"{name} is under {license}, which is not among {', '.join(sorted(_OPEN))}")
        yield from ((name, row, svg) for row, svg in _of_set(emoji, table, codes))


def read_emoji(work: Path) -> list[dict[str, Any]]:
    """Return OpenMoji's table of emoji, by code point."""
    rows = read_json(open_package(OPENMOJI, work) / "data/openmoji.json")
    return sorted(rows, key=lambda row: str(row["hexcode"]))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


_FILES = ("info", "icons", "chars")


def plain_code(code: str) -> str:
    """Return code points as all sets can spell them: lower case, without the mark that asks for a colored drawing."""
    return code.lower().replace("-fe0f", "")


def _codes(emoji: list[dict[str, Any]], chars: list[dict[str, str]]) -> dict[str, str]:
    """Return the code points of a name, by OpenMoji's table first."""
    codes = {_plain_name(row["annotation"]): plain_code(row["hexcode"]) for row in emoji}
    for table in chars:
        for code, name in table.items():
            codes.setdefault(_plain_name(name), plain_code(code))
    return codes


def _of_set(
    emoji: list[dict[str, Any]], table: dict[str, Any], codes: dict[str, str]
) -> Iterator[tuple[dict[str, Any], str]]:
    icons = table["icons"]
    drawn: dict[str, str] = {}
    for code, name in sorted(table["chars"].items()):
        drawn.setdefault(plain_code(code), icons.get("aliases", {}).get(name, {}).get("parent", name))
    for name in sorted(icons["icons"]):
        if code := codes.get(_plain_name(name)):
            drawn.setdefault(code, name)
    for row in emoji:
        if (icon := icons["icons"].get(drawn.get(plain_code(row["hexcode"]), ""))) is not None:
            yield row, _svg({**icons, **icon})


def _svg(icon: dict[str, Any]) -> str:
    """Return an icon as a file. An icon that does not say its place and size has those of its set."""
    box = [icon.get("left", 0), icon.get("top", 0), icon.get("width", 16), icon.get("height", 16)]
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} viewBox="{" ".join(map(str, box))}">{icon["body"]}</svg>'


def _plain_name(name: str) -> str:
    name = _FLAG_FOR.sub("flag-", name.lower()).replace("&", "and")
    return re.sub(r"[^a-z0-9]+", "", name)
