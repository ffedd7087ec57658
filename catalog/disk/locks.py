"""Locks on open files, which the system frees when they are closed or their process dies, however it dies."""

import fcntl
from typing import IO, Any

from byline.catalog.errors import StorageError


def take_lock(file: IO[Any]) -> bool:
    """Take the lock of an open file without waiting; false where another one has it.

    Raises `StorageError` on a file system that has no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StorageError(
            f"cannot lock {file.name}: {error.strerror}; use a disk whose file system has locks"
        ) from error
    return True
