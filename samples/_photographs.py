"""Find the photographs in the Debian packages, with their claims, and shrink them."""

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image
from PySide6.QtCore import QDirIterator, QResource

from samples._claims import Claim, debian_claim, read_debian_copyright, read_notice, with_debian_claim

LONGEST_SIDE_PX = 256
JPEG_QUALITY = 85
_ROOT = ":/gcompris/src/activities/"
_LOMIRI_PAGE = "https://gitlab.com/ubports/development/core/lomiri-wallpapers"

PHOTOGRAPHS = re.compile(
    r"categorization/.*|clickgame/sea\d|details/.*|erase/.*|explore_.*|gravity/planet\d|leftright/.*"
    r"|louis-braille/(braille|braille_ball|rnib|statue|teach|workshop)|solar_system/.*"
    # A painting is cut into tiles; its first tile stands for it.
    r"|paintings/image/.*?[-_]?(a1|(?<![a-z])1)"
)
"""Paths, without "resource/" and extension, of photographs; chosen by looking at every picture."""
NOT_PHOTOGRAPHS = frozenset(
    {"Fossa_by_Jasper_Roks", "Infinite-Sea_by_Aury88", "Painting-Colors_by__herobrine7gamer"}
    | {"umang_by_Abhishek_Mudgal"}
)
"""Wallpapers that are computed, not photographed."""
NAMED_FOR_THEIR_SUBJECT = frozenset({"louis-braille", "paintings", "solar_system"})
"""Activities named for what their pictures show; "erase" or "details" is what a player does."""


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """One photograph of a package; `load` opens its pixels at their first size."""

    name: str
    title: str
    tags: tuple[str, ...]
    claim: Claim
    load: Callable[[], Image.Image]

    @property
    def is_free(self) -> bool:
        """Whether its claim lets us ship the bytes: CC0, CC BY, CC BY-SA or public domain."""
        return re.match(r"cc[\s-]?(0|by)|public.domain", self.claim.license, re.IGNORECASE) is not None


def gcompris_photographs(folder: Path) -> list[Photograph]:
    """Return the photographs of GCompris, in the order of their names."""
    for archive in sorted(folder.glob("usr/share/gcompris-qt/rcc/*.rcc")):
        if not QResource.registerResource(str(archive)):
            raise ValueError(f"{archive.name} is not a Qt resource archive")
    paths = _resource_paths()
    claims: dict[str, Claim] = {}
    for path in paths:
        if path.endswith("/README"):
            notice = read_notice(_resource_bytes(path).decode("utf-8"))
            claims.update((f"{path.removesuffix('README')}{file}", claim) for file, claim in notice.items())
    debian = read_debian_copyright(folder / "usr/share/doc/gcompris-qt-data/copyright")
    photographs = []
    for path in paths:
        stem, _, extension = path.removeprefix(_ROOT).rpartition(".")
        short = stem.replace("resource/", "")
        if extension not in {"webp", "jpg", "png"} or not PHOTOGRAPHS.fullmatch(short):
            continue
        claim = with_debian_claim(claims.get(path, Claim()), f"src/activities/{stem}.{extension}", debian)
        photographs.append(_gcompris_photograph(path, short, claim))
    return photographs


def _gcompris_photograph(path: str, short: str, claim: Claim) -> Photograph:
    activity, *folders, stem = short.split("/")
    subjects = [activity, *folders] if activity in NAMED_FOR_THEIR_SUBJECT else folders
    tags = tuple(name.replace("_", " ") for name in subjects if name not in {"image", "images"})
    return Photograph(
        name="gcompris-" + _file_stem(re.sub(r"/(images?|animals)/", "/", short)),
        title=stem.replace("_", " "),
        tags=tags,
        claim=claim,
        load=lambda: Image.open(io.BytesIO(_resource_bytes(path))),
    )


def lomiri_photographs(folder: Path) -> list[Photograph]:
    """Return the photographs among a Lomiri package's wallpapers, in the order of their names."""
    (notice,) = folder.glob("usr/share/doc/*/copyright")
    debian = read_debian_copyright(notice)
    series = notice.parent.name.removeprefix("lomiri-wallpapers-")
    photographs = []
    for path in sorted(folder.glob("usr/share/backgrounds/*.jpg")):
        if path.stem in NOT_PHOTOGRAPHS:
            continue
        creator_and_license = debian_claim(debian, f"{series}/{path.name}")
        if creator_and_license is None:
            raise ValueError(f"{notice} says nothing of {path.name}")
        creator, license = creator_and_license
        photographs.append(
            Photograph(
                name=_file_stem(f"lomiri {path.stem}"),
                title=path.stem.replace("_", " "),
                tags=("wallpaper",),
                claim=Claim(creator=creator, license=license, page=_LOMIRI_PAGE),
                load=partial(Image.open, path),
            )
        )
    return photographs


def shrink(image: Image.Image, *, longest_side_px: int = LONGEST_SIDE_PX) -> bytes:
    """Return the picture as a JPEG no longer than that on any side; never enlarged.

    A round cut-out becomes the square inside it; other transparent ground becomes black.
    """
    if "A" in image.getbands():
        image = _flatten(image)
    image = image.convert("RGB")
    image.thumbnail((longest_side_px, longest_side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True, subsampling="4:2:0")
    return out.getvalue()


def _flatten(image: Image.Image) -> Image.Image:
    width, height = image.size
    if max(width, height) < 100:
        inset_x, inset_y = (round(side * (1 - 0.5**0.5) / 2) for side in (width, height))
        return image.crop((inset_x, inset_y, width - inset_x, height - inset_y))
    ground = Image.new("RGBA", image.size, (0, 0, 0, 255))
    return Image.alpha_composite(ground, image.convert("RGBA"))


def _file_stem(words: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def _resource_paths() -> list[str]:
    walk = QDirIterator(_ROOT, QDirIterator.IteratorFlag.Subdirectories)
    paths = []
    while walk.hasNext():
        paths.append(walk.next())
    return sorted(paths)


def _resource_bytes(path: str) -> bytes:
    return bytes(QResource(path).uncompressedData().data())
