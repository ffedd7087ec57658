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
    place = store.local_path("").absolute()
    _check_folder(place, release)
    with _renamed_last(place) as folder:
        yield Store(str(folder))


def _check_folder(place: Path, release: Release) -> None:
    if place.exists() and not place.is_dir():
        raise ConfigError(f"{place} is a file; name a new folder")
    if place.is_dir() and any(place.iterdir()):
        is_export = (place / EXPORT).is_file()
        raise ConfigError(f"{place} {'holds an export already' if is_export else 'is not empty'}; name a new folder")
    if place.is_mount() or place == Path.cwd():
        raise ConfigError(f"{place} cannot be replaced by the export when that is whole; name a new folder in it")
    corpus = release.store.local_path("").absolute() if release.store.is_local and release.export is None else None
    if corpus is not None and place.resolve().is_relative_to(corpus.resolve()):
        raise ConfigError(f"{place} is inside the corpus {corpus}; name a folder elsewhere")


@contextmanager
def _renamed_last(place: Path) -> Iterator[Path]:
    """Give a folder beside `place`, hidden, that is renamed to it when the block ends, and vanishes if it raises."""
    folder = place.with_name(f".{place.name}{PARTIAL}-{os.getpid()}")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(place)
        folder.mkdir()
    except OSError as error:
        raise explained(error, str(place), writing=True) from error
    try:
        yield folder
        shutil.rmtree(folder / PARTIAL)
        try:
            folder.rename(place)
            _sync(place.parent)
        except OSError as error:
            raise explained(error, str(place), writing=True) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_left(place: Path) -> None:
    """Delete what killed exports to `place` left beside it."""
    for left in place.parent.iterdir():
        number = left.name.removeprefix(f".{place.name}{PARTIAL}-")
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
