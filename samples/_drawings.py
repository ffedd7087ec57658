"""Choose the emoji, name them in plain words, and render them."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import resvg_py
from PIL import Image

SIDE_PX = 80
NUM_COLORS = 64

OPENMOJI_GROUPS = frozenset(
    {"activities", "animals-nature", "flags", "food-drink", "objects", "smileys-emotion"} | {"symbols", "travel-places"}
)
TONED_SUBGROUPS = frozenset(
    {"body-parts", "hand-fingers-closed", "hand-fingers-open", "hand-fingers-partial"}
    | {"hand-prop", "hand-single-finger", "hands"}
)
"""Emoji of these subgroups come with all five skin tones, the natural near duplicates."""
TWEMOJI_GROUPS = frozenset(
    {"activities", "animals-nature", "food-drink", "smileys-emotion", "symbols", "travel-places"}
)
NUM_NOTO = 60
LEFT_OUT = frozenset({"1F595"})
"""The middle finger."""

OPENMOJI_HOME = "https://openmoji.org/"


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One emoji of one project. `svg` is empty where we only have its record."""

    name: str
    title: str
    tags: tuple[str, ...]
    creator: str
    creator_url: str | None
    page: str
    license: str
    license_version: str
    license_url: str
    license_title: str
    project: str
    svg: str

    @property
    def is_free(self) -> bool:
        return self.license in {"by", "by-sa"}


def openmoji_drawings(folder: Path) -> list[Drawing]:
    """Return the chosen OpenMoji drawings by code point."""
    drawings = []
    for emoji in sorted(_read_emoji(folder), key=lambda emoji: emoji["hexcode"]):
        if not _wanted_of_openmoji(emoji):
            continue
        drawings.append(
            Drawing(
                name=f"openmoji-{emoji['hexcode'].lower()}",
                title=emoji["annotation"],
                tags=_tags(emoji["tags"], emoji["openmoji_tags"]),
                creator=emoji["openmoji_author"],
                creator_url=None,
                page=OPENMOJI_HOME,
                license="by-sa",
                license_version="4.0",
                license_url="https://creativecommons.org/licenses/by-sa/4.0/",
                license_title="CC BY-SA 4.0",
                project="openmoji",
                svg=(folder / f"color/svg/{emoji['hexcode']}.svg").read_text(encoding="utf-8"),
            )
        )
    return drawings


def iconify_drawings(folder: Path, openmoji_folder: Path) -> list[Drawing]:
    """Return the chosen drawings of an Iconify set by code point; of a refused set, a few.

    Iconify has no titles or tags, so those are Unicode's, from OpenMoji's table of code points.
    """
    info = _read_json(folder / "info.json")
    icons = _read_json(folder / "icons.json")
    icon_names = _read_json(folder / "chars.json")
    drawings = []
    for emoji in sorted(_read_emoji(openmoji_folder), key=lambda emoji: emoji["hexcode"]):
        icon = _find_icon(emoji["hexcode"], icon_names, icons)
        if emoji["group"] in TWEMOJI_GROUPS and not emoji["skintone_base_hexcode"] and icon:
            drawings.append(_iconify_drawing(emoji, icon, icons, info))
    return drawings if _is_free(info) else drawings[:: len(drawings) // NUM_NOTO][:NUM_NOTO]


def render(svg: str) -> bytes:
    """Return the drawing as a square PNG with a palette, over transparency."""
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=SIDE_PX, height=SIDE_PX, skip_system_fonts=True))
    image = Image.open(io.BytesIO(png)).convert("RGBA")
    palette = image.quantize(NUM_COLORS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    palette.save(out, "PNG", optimize=True)
    return out.getvalue()


def _iconify_drawing(emoji: dict[str, str], icon: str, icons: dict[str, Any], info: dict[str, Any]) -> Drawing:
    is_free = _is_free(info)
    side = icons.get("height", 16)
    return Drawing(
        name=f"{info['prefix']}-{emoji['hexcode'].lower()}",
        title=emoji["annotation"],
        tags=_tags(emoji["tags"]),
        creator=info["author"]["name"],
        creator_url=info["author"]["url"],
        page=info["author"]["url"],
        license="by" if is_free else info["license"]["spdx"].lower(),
        license_version="4.0" if is_free else "",
        license_url=info["license"]["url"],
        license_title=info["license"]["title"],
        project=info["prefix"],
        svg=f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}">{icon}</svg>' if is_free else "",
    )


def _wanted_of_openmoji(emoji: dict[str, str]) -> bool:
    if LEFT_OUT & {emoji["hexcode"], emoji["skintone_base_hexcode"]}:
        return False
    if emoji["skintone_combination"] == "single":
        return emoji["subgroups"] in TONED_SUBGROUPS
    return emoji["group"] in OPENMOJI_GROUPS and not emoji["skintone_base_hexcode"]


def _is_free(info: dict[str, Any]) -> bool:
    return str(info["license"]["spdx"]).startswith("CC-BY-")


def _find_icon(hexcode: str, icon_names: dict[str, str], icons: dict[str, Any]) -> str:
    """Return the SVG body for these code points, or nothing; not every set spells out FE0F."""
    for code in (hexcode.lower(), hexcode.lower().replace("-fe0f", "")):
        name = icon_names.get(code, "")
        name = icons["aliases"].get(name, {}).get("parent", name)
        if name in icons["icons"]:
            return str(icons["icons"][name]["body"])
    return ""


def _tags(*lists: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_split(lists)))


def _split(lists: tuple[str, ...]) -> Iterator[str]:
    for tags in lists:
        yield from filter(None, map(str.strip, tags.split(",")))


def _read_emoji(folder: Path) -> list[dict[str, str]]:
    emoji: list[dict[str, str]] = _read_json(folder / "data/openmoji.json")
    return emoji


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
