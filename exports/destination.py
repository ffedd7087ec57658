"""Where a model goes: a new folder, which gets its name when it is whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from byline.catalog.disk.layout import SUMS
from byline.catalog.disk.storage_errors import explained
from byline.catalog.errors import ConfigError
from byline.diffusion.checkpoint import file_digest


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a hidden folder beside `target`, which gets its checksums and its name when the block ends.

    If the block raises, the folder is gone. Raises `ConfigError`, before anything is written, when `target` holds
    anything.
    """
    if "://" in str(target) or str(target).startswith(("s3:/", "gs:/")):
        raise ConfigError(f"{target} is a URL, and a model is exported to a folder; name one, and copy that")
    target = target.absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} {'is not empty' if target.is_dir() else 'is a file'}; name a new folder")
    folder = target.with_name(f".{target.name}.partial-{os.getpid()}")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder
        _finish(folder)
        folder.rename(target)
    except OSError as error:
        raise explained(error, str(target), writing=True) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(folder: Path) -> None:
    """Make files readable, and write the digest of each."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = []
    for path in files:
        path.chmod(0o644)  # safetensors makes them readable by the owner only
        lines.append(f"{file_digest(path)}  {path.relative_to(folder).as_posix()}\n")
    (folder / SUMS).write_text("".join(lines))
