"""Fetch the packages that hold the pictures, at exactly the versions named here, and open them."""

import hashlib
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Package:
    """One release of one package; `sha256` is that of the file its archive hands out."""

    name: str
    version: str
    kind: str
    sha256: str

    @property
    def file_name(self) -> str:
        if self.kind == "deb":
            return f"{self.name}_{self.version}_all.deb"
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"


GCOMPRIS = Package(
    name="gcompris-qt-data",
    version="3.1-2",
    kind="deb",
    sha256="e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
)
LOMIRI_16 = Package(
    name="lomiri-wallpapers-16.04",
    version="20.04.0-2",
    kind="deb",
    sha256="a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
)
LOMIRI_20 = Package(
    name="lomiri-wallpapers-20.04",
    version="20.04.0-2",
    kind="deb",
    sha256="d44e89b8473aafe64a5b678f014862dc31335aaaf18665c544d985d854f1a709",
)
OPENMOJI = Package(
    name="openmoji",
    version="17.0.0",
    kind="npm",
    sha256="55ee7d13485dec86e9f38c1f3a645a13382d33ff97c0cd845ee824b0aef45e68",
)
TWEMOJI = Package(
    name="@iconify-json/twemoji",
    version="1.2.5",
    kind="npm",
    sha256="19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
)
NOTO = Package(
    name="@iconify-json/noto",
    version="1.2.9",
    kind="npm",
    sha256="3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
)


def open_package(package: Package, work: Path) -> Path:
    """Return the folder with the package's files, fetched into `work` unless they are there.

    A package file whose digest is not the one above is an error, never a warning.
    """
    work.mkdir(parents=True, exist_ok=True)
    archive = work / package.file_name
    if not archive.exists():
        subprocess.run(_download_command(package), cwd=work, check=True, stdout=subprocess.DEVNULL)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != package.sha256:
        raise ValueError(f"{archive.name} has sha256 {digest}, expected {package.sha256}; delete it and fetch it again")
    folder = work / "unpacked" / archive.name
    if not folder.exists():
        _unpack(archive, package.kind, folder)
    return folder / "package" if package.kind == "npm" else folder


def _download_command(package: Package) -> list[str]:
    if package.kind == "deb":
        return ["apt-get", "download", f"{package.name}={package.version}"]
    return ["npm", "pack", "--silent", f"{package.name}@{package.version}"]


def _unpack(archive: Path, kind: str, folder: Path) -> None:
    """Unpack under another name first, so that a folder that exists is whole."""
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    if kind == "deb":
        subprocess.run(["dpkg-deb", "--extract", archive, partial], check=True)
    else:
        with tarfile.open(archive) as tar:
            tar.extractall(partial, filter="data")
    partial.rename(folder)
