"""Where an export goes: a new folder of a disk, which gets its name last, or a prefix of an object store."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from byline.catalog.corpora.manifest import EXPORT, Format, Release
from byline.catalog.disk import layout
from byline.catalog.disk.files import PARTIAL, is_running
from byline.catalog.disk.storage import Store
from byline.catalog.disk.storage_errors import explained
from byline.catalog.errors import ConfigError
from byline.pipelines.releases.exporting.places import export_bytes


@contextmanager
def destination(url: str, release: Release, format: Format) -> Iterator[Store]:
    """Give the store to write an export to. What a killed export of the same release left is gone, or is gone on with.

    Raises `ConfigError` when something else is there, before anything is written.
    """
    store = Store(url.rstrip("/") or "/")
    if not store.is_local:
        _check_objects(store, release, format)
        yield store
        return
    path = store.local_path("").absolute()
    _check_folder(path, release)
    with _renamed_last(path) as folder:
        yield Store(str(folder))


def _check_folder(folder: Path, release: Release) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is a file; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        is_export = (folder / EXPORT).is_file()
        raise ConfigError(f"{folder} {'holds an export already' if is_export else 'is not empty'}; name a new folder")
    if folder.is_mount() or folder == Path.cwd():
        raise ConfigError(f"{folder} cannot be replaced by the export when that is whole; name a new folder in it")
    corpus = release.store.local_path("").absolute() if release.store.is_local and release.export is None else None
    if corpus is not None and folder.resolve().is_relative_to(corpus.resolve()):
        raise ConfigError(f"{folder} is inside the corpus {corpus}; name a folder elsewhere")


@contextmanager
def _renamed_last(destination: Path) -> Iterator[Path]:
    """Give a hidden folder beside `destination`: renamed to that when the block ends, removed if it raises."""
    folder = destination.with_name(f".{destination.name}{PARTIAL}-{os.getpid()}")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(destination)
        folder.mkdir()
    except OSError as error:
        raise explained(error, str(destination), writing=True) from error
    try:
        yield folder
        shutil.rmtree(folder / PARTIAL)
        try:
            folder.rename(destination)
            _sync(destination.parent)
        except OSError as error:
            raise explained(error, str(destination), writing=True) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left(destination: Path) -> None:
    """Delete what killed exports to `destination` left beside it."""
    for left in destination.parent.iterdir():
        number = left.name.removeprefix(f".{destination.name}{PARTIAL}-")
        if number != left.name and number.isdigit() and (int(number) == os.getpid() or not is_running(int(number))):
            shutil.rmtree(left)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_objects(store: Store, release: Release, format: Format) -> None:
    there = {*store.files("", hidden=True), *store.folders("", hidden=True)}
    if not there:
        return
    if store.exists(layout.MANIFEST) and EXPORT in there:
        raise ConfigError(f"{store.root} holds an export already; name a new folder")
    if EXPORT not in there or store.read_bytes(EXPORT) != export_bytes(release.manifest, format):
        raise ConfigError(f"{store.root} is not empty: it has {sorted(there)[0]}; name a new folder")
    wanted = {
        EXPORT,
        layout.SUMS,
        layout.SHARDS if format == "webdataset" else "data",
        *(name.split("/")[0] for name in release.manifest.papers),
    }
    if other := sorted(there - wanted):
        raise ConfigError(
            f"{store.root} is not empty: beside an unfinished export it has {other[0]}; name a new folder"
        )
