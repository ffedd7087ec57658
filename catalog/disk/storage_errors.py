"""What the errors of disks and object stores mean to people."""

import errno

from byline.catalog.disk import s3
from byline.catalog.disk.seals import DamagedError
from byline.catalog.errors import StorageError, UnreachableError

CLIENT_LIBRARIES = ("botocore", "aiobotocore", "aiohttp", "google", "gcsfs", "azure", "adlfs")
"""What object stores raise their own errors from (no credentials, no such endpoint, bodies that end early)."""

_OF_THE_MACHINE = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EIO)
"""What is wrong with the machine or with rights on it, and not with a file's bytes."""


def is_of_object_store(error: Exception) -> bool:
    """Return whether an error comes from the client library of an object store, or is what s3fs makes of one."""
    original = error.__cause__ if isinstance(error, OSError) and error.__cause__ is not None else error
    return type(original).__module__.split(".")[0] in CLIENT_LIBRARIES


def explained(error: Exception, where: str, *, writing: bool) -> StorageError:
    """Return the error to raise in place of one that came of reading or writing at a URL."""
    if refusal := s3.refusal_in(error):
        what = f"{'write' if writing else 'read'} {where}"
        busy = "; with fewer workers if it stays busy" if refusal.is_busy else ""
        return UnreachableError(
            f"the object store did not {what}: asked {refusal.num_requests} times, it answered {refusal.answer}; "
            f"run the same command again, which goes on from what is there{busy}"
        )
    if not isinstance(error, OSError):
        return UnreachableError(f"cannot reach {where}: {error}")
    if error.errno == errno.ENOSPC:
        return StorageError(
            f"no space left to write {where}; free some and run the same command again, nothing is lost"
        )
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return UnreachableError(
            f"too many files are open to open {where}; raise the limit (ulimit -n 4096) and run again"
        )
    if isinstance(error, FileNotFoundError) and not writing:
        return StorageError(f"nothing at {where}")
    return UnreachableError(f"cannot {'write' if writing else 'read'} {where}: {error}")


def damaged_parquet(where: str, error: Exception, mend: str = "delete it, build again") -> StorageError:
    """Return the error to raise for a file of ours, at a URL, that Arrow cannot read, or that was changed."""
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return explained(error, where, writing=False)
    kind = "is damaged" if isinstance(error, DamagedError) else "is not a whole Parquet file"
    return StorageError(f"{where} {kind} ({error}); {mend}")
