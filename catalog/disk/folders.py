"""What a text names on this machine, whatever text it is: files, places, the folders of a folder."""

import os
from pathlib import Path


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; hidden ones and those that cannot be read are none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
    except OSError:
        return []


def is_file(named: str) -> bool:
    """Tell whether a text names a file here. Any text may be asked: unlike `Path.is_file` it raises for none."""
    return os.path.isfile(named)  # noqa: PTH113


def is_there(named: str) -> bool:
    """Tell whether a text names anything here; any text may be asked."""
    return os.path.exists(named)  # noqa: PTH110


def absolute(named: str) -> str:
    """Return the whole path that a text names from the current folder. Links keep the names that they have."""
    return os.path.abspath(named)  # noqa: PTH100 - `Path.absolute` leaves `..` in
