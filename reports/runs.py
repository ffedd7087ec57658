"""Read what training runs wrote: their logs, what was held out, drawn grids, what they are. Loads no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byline.catalog.disk.folders import folders_in
from byline.catalog.errors import ConfigError
from byline.diffusion.checkpoint import CheckpointInfo, newest_info
from byline.training.log import LOG, SAMPLES, VALIDATION, LogEntry, ValidationEntry, read_entries, read_log
from byline.training.places import working_folder
from byline.training.run_file import RunFile, read_run_file

LEVELS = 3
"""How many levels of folders below the current one are searched for runs."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """A training run as its folder tells it."""

    name: str
    """Its folder, as it was named or found."""
    about: RunFile | None
    """None of a run of an older byline."""
    checkpoint: CheckpointInfo | None
    """The newest; None when there is none yet."""
    entries: tuple[LogEntry, ...]
    validations: tuple[ValidationEntry, ...]
    grids: dict[int, Path]
    """The drawn grids, as images seen -> their PNG."""

    @property
    def images_seen(self) -> int:
        """Return how many images it has seen, by its log."""
        return self.entries[-1].images_seen if self.entries else 0

    @property
    def config(self) -> dict[str, Any]:
        """Return what it was asked to do: all of it, or what its checkpoint knows."""
        if self.about is not None:
            return self.about.config
        return {} if self.checkpoint is None else self.checkpoint.config

    @property
    def release_digest(self) -> str | None:
        """Return the digest of the release that it is trained on; None when nothing tells."""
        known = self.about or self.checkpoint
        return None if known is None else known.release_digest


def find_runs(folders: Sequence[str]) -> list[str]:
    """Return the folders of runs, as named, or every one in or below the current folder, sorted.

    Raises `ConfigError` for a named folder that holds no run, and where none is found.
    """
    for folder in folders:
        if not _is_run(working_folder(folder)):
            raise ConfigError(f"no run in {folder}: it has no {LOG}; byline train CONFIG writes one")
    run_folders = list(dict.fromkeys(folders)) or [str(path) for path in _runs(Path(), LEVELS)]
    if not run_folders:
        raise ConfigError(f"no training run in or below {Path.cwd()}; name the folder of one")
    return run_folders


def read_run(folder: str) -> Run:
    """Read a run, which may be training now. Raises `CheckpointError`, one line, for a file that is damaged."""
    path = working_folder(folder)
    return Run(
        name=folder,
        about=read_run_file(path),
        checkpoint=newest_info(folder),
        entries=tuple(read_log(path / LOG)),
        validations=tuple(read_entries(path / VALIDATION, ValidationEntry)),
        grids={int(png.stem): png for png in sorted(path.glob(f"{SAMPLES}/*.png")) if png.stem.isdecimal()},
    )


def _is_run(folder: Path) -> bool:
    return (folder / LOG).is_file()


def _runs(folder: Path, levels: int) -> Iterator[Path]:
    if _is_run(folder):
        yield folder
    elif levels:
        for below in folders_in(folder):
            yield from _runs(below, levels - 1)
