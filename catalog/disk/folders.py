"""The folders of a local folder, for what looks for corpora and runs."""

import os
from pathlib import Path


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted; hidden ones and those that cannot be read are none."""
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.name[0] != "." and entry.is_dir())
    except OSError:
        return []
