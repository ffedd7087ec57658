"""Photographs of Debian packages that the sample corpus does not have, to measure the embedding on.

`python -m benchmarks.other_photographs FOLDER` fetches them with apt-get into FOLDER/photographs and FOLDER/cutouts.
Nothing is trained on them, and none of them is kept in this repository.
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

LONGER_SIDE_PX, MIN_SIDE_PX = 512, 100
PHOTOGRAPHS = {
    "gnome-backgrounds": "usr/share/backgrounds/gnome/*",
    "mate-backgrounds": "usr/share/backgrounds/mate/*/*",
    "plasma-workspace-wallpapers": "usr/share/wallpapers/*/contents/screenshot.*",
    "ukui-wallpapers": "usr/share/backgrounds/*",
    "palapeli-data": "usr/share/palapeli/collection/*",
    "opencv-doc": "usr/share/doc/opencv-doc/examples/data/*",
}
"""Wallpapers, drawn ones among them, jigsaw puzzles, and pictures that computer vision is shown with."""
CUTOUTS = {"tuxpaint-stamps-default": "usr/share/tuxpaint/stamps/*/**/*.png"}
"""Things cut out of photographs, on white: unlike each other, and like each other in most of their area."""
NOT_PHOTOGRAPHS = {
    "opencv-doc": "Blender HappyFish LR_ WindowsLogo cards chess chicky data01 detect digits ellipses gradient "
    "imageText input left licenseplate ml opencv pca pic plant_result polygon right smarties stanford sudoku text_",
    "tuxpaint-stamps-default": "cartoon symbols mirror flip",
}
"""Starts of names (for stamps, parts of paths) of charts, calibration boards, pages of text, and drawings."""
SECOND_VIEWS = (
    "aero3 aloeGT aloeR box_in_scene graf3 leuvenB rubberwhale2 basketball2 ela_modified Blender_Suzanne2".split()
)
"""The same scene again."""


def fetch(work: Path) -> None:
    """Download, unpack and shrink. What is there already is not fetched again."""
    for folder, packages in (("photographs", PHOTOGRAPHS), ("cutouts", CUTOUTS)):
        (work / folder).mkdir(parents=True, exist_ok=True)
        for package, pattern in packages.items():
            root = _unpacked(package, work)
            paths = sorted(path for path in root.glob(pattern) if _is_wanted(path, package, root))
            kept = sum(_shrunk(path, root, work / folder, package) for path in paths)
            print(f"{package}: {kept} pictures")


def _unpacked(package: str, work: Path) -> Path:
    root = work / "unpacked" / package
    if not root.exists():
        subprocess.run(["apt-get", "download", "-q", package], cwd=work, check=True, stdout=subprocess.DEVNULL)
        (archive,) = work.glob(f"{package}_*.deb")
        subprocess.run(["dpkg-deb", "-x", archive, root], check=True)
    return root


def _is_wanted(path: Path, package: str, root: Path) -> bool:
    if path.suffix.lower() not in (".jpg", ".jpeg", ".png", ".webp") or path.is_symlink() or path.stem in SECOND_VIEWS:
        return False
    parts = NOT_PHOTOGRAPHS.get(package, "").split()
    if package in CUTOUTS:
        return not any(part in path.relative_to(root).as_posix() for part in parts)
    return not path.name.startswith(tuple(parts)) if parts else True


def _shrunk(path: Path, root: Path, folder: Path, package: str) -> bool:
    """Write a JPEG on white of at most 512 px, cut to what is not clear; return whether it was large enough."""
    with Image.open(path) as image:
        image.draft("RGB", (LONGER_SIDE_PX, LONGER_SIDE_PX))
        opaque = image.convert("RGBA")
    opaque = opaque.crop(opaque.getchannel("A").getbbox() or (0, 0, 1, 1))
    white = Image.new("RGBA", opaque.size, "white")
    white.alpha_composite(opaque)
    white.thumbnail((LONGER_SIDE_PX, LONGER_SIDE_PX))
    if min(white.size) < MIN_SIDE_PX:
        return False
    name = path.relative_to(root).with_suffix("").as_posix().removeprefix("usr/share/").replace("/", "-")
    white.convert("RGB").save(folder / f"{package}-{name}.jpg", quality=92)
    return True


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
