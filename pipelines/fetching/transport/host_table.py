"""The file through which the processes of a machine share what they know and hold of hosts.

Leases are byte-range locks, which the system frees when their process dies, however it dies. Everything else is a table
of doubles in shared memory: for each slot when its hosts may be asked next, and the health of hosts that gave trouble.
Times are seconds since boot, so a wall clock that jumps changes nothing; a table of an earlier boot is emptied.
"""

import fcntl
import mmap
import os
import stat
import tempfile
import threading
import time
from hashlib import blake2b
from pathlib import Path

from byline.catalog.errors import StorageError

NUM_SLOTS = 1 << 16
NUM_WAYS = 4
"""Hosts of one slot whose health is kept apart."""
NUM_FIELDS = 8
TAG, HELD_UNTIL, BACK_OFF_UNTIL, OPEN_UNTIL, FAILURES, ROUNDS, OPENED, TRIAL = range(NUM_FIELDS)
"""Whose health it is; times; failures in a row, back-offs in a row, openings in a row; whether a trial is under way."""
ANY_HOST = -1.0
"""Tag of a record that all hosts of a slot share, because more of them gave trouble at once than there are ways."""

HEADER_BYTES = 4096
HEALTH = NUM_SLOTS
"""Place of the first health record; the times at which slots may be asked lie before it."""
TABLE_BYTES = 8 * (NUM_SLOTS + NUM_SLOTS * NUM_WAYS * NUM_FIELDS)
LOCKS_PER_SLOT = 1024
MAX_LEASES = 1000
UPDATE_LOCK = LOCKS_PER_SLOT - 1
START_LOCK = NUM_SLOTS * LOCKS_PER_SLOT
FORMAT = b"byline hosts 1\n"
FILE = "hosts"


def seconds_since_boot() -> float:
    """Return a time that every process of the machine agrees on and that never jumps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def place_of(host: str) -> tuple[int, float]:
    """Return the slot of a host, and a tag that tells it from the others there; the same in every process."""
    digest = int.from_bytes(blake2b(host.lower().rstrip(".").encode("utf-8", "replace"), digest_size=8).digest(), "big")
    return digest % NUM_SLOTS, float(digest >> 16 | 1)


class HostTable:
    """An open file of leases and health. One for each file and process: closing a second one would free every lease."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.lock = threading.Lock()
        """Held around every use of what follows."""
        self.taken: dict[int, int] = {}
        """The leases of this process, one bit each, by slot."""
        self.generation = 0
        _empty_if_of_another_boot(fd)
        self.doubles = memoryview(mmap.mmap(fd, HEADER_BYTES + TABLE_BYTES))[HEADER_BYTES:].cast("d")

    def take(self, slot: int, num_leases: int) -> int | None:
        """Return the number of a lease that nobody else held, or none."""
        held_bits = self.taken.get(slot, 0)
        for number in range(num_leases):
            if not held_bits >> number & 1 and self._locked(slot * LOCKS_PER_SLOT + number):
                self.taken[slot] = held_bits | 1 << number
                return number
        return None

    def give(self, slot: int, number: int) -> None:
        """Free a lease."""
        self._unlock(slot * LOCKS_PER_SLOT + number)
        left = self.taken[slot] & ~(1 << number)
        if left:
            self.taken[slot] = left
        else:
            del self.taken[slot]

    def begin_update(self, slot: int, *, patience_s: float) -> bool:
        """Return whether the slot may be written now; false after `patience_s` of another process writing it."""
        lock = slot * LOCKS_PER_SLOT + UPDATE_LOCK
        if self._locked(lock):
            return True
        give_up = time.monotonic() + patience_s
        while time.monotonic() < give_up:
            time.sleep(0.0001)
            if self._locked(lock):
                return True
        return False

    def end_update(self, slot: int) -> None:
        """Let others write the slot."""
        self._unlock(slot * LOCKS_PER_SLOT + UPDATE_LOCK)

    def find(self, slot: int, tag: float) -> int:
        """Return the place of a host's health, -1 where it has given no trouble."""
        first = HEALTH + slot * NUM_WAYS * NUM_FIELDS
        shared = -1
        for health in range(first, first + NUM_WAYS * NUM_FIELDS, NUM_FIELDS):
            if self.doubles[health] == tag:
                return health
            if self.doubles[health] == ANY_HOST:
                shared = health
        return shared

    def claim(self, slot: int, tag: float, now: float) -> int:
        """Return the place of a host's health, that of the host quiet for longest where it had none.

        Where every record is still in force, one is shared by all: a host may wait for another's sake, none is asked
        too early.
        """
        health = self.find(slot, tag)
        if health >= 0 and (self.doubles[health] == tag or self.in_force_until(health) > now):
            return health
        first = HEALTH + slot * NUM_WAYS * NUM_FIELDS
        health = min(range(first, first + NUM_WAYS * NUM_FIELDS, NUM_FIELDS), key=self.in_force_until)
        if self.in_force_until(health) > now:
            self.doubles[health] = ANY_HOST
            return health
        for field in range(NUM_FIELDS):
            self.doubles[health + field] = 0.0
        self.doubles[health] = tag
        return health

    def in_force_until(self, start: int) -> float:
        """Return until when a health record holds anybody back."""
        doubles = self.doubles
        return max(doubles[start + HELD_UNTIL], doubles[start + BACK_OFF_UNTIL], doubles[start + OPEN_UNTIL])

    def _locked(self, byte: int) -> bool:
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, byte)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def _unlock(self, byte: int) -> None:
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, byte)


_tables: dict[tuple[int, int], HostTable] = {}
_tables_lock = threading.Lock()


def shared_table(folder: Path | None) -> HostTable:
    """Return this process's table of `folder`; by default a folder of this user alone among temporary files."""
    folder = folder or Path(tempfile.gettempdir()) / f"byline-hosts-{os.getuid()}"
    path = folder / FILE
    with _tables_lock:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_private(folder)
            table = _tables.get(_identity(path.lstat())) if path.exists() else None
            return table or _open(path)
        except OSError as error:
            hint = "set TMPDIR to a folder that can be written and locked"
            raise StorageError(f"hosts' limits cannot be shared through {folder}: {error}; {hint}") from error


def _open(path: Path) -> HostTable:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    table = _tables[_identity(os.fstat(fd))] = HostTable(fd)
    return table


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _check_private(folder: Path) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise OSError("it is no folder")
    if status.st_uid != os.getuid():
        raise OSError(f"it belongs to user {status.st_uid}, not to user {os.getuid()}")
    if status.st_mode & 0o022:
        raise OSError(f"others may write it (mode {stat.S_IMODE(status.st_mode):o}, wanted 700)")


def _empty_if_of_another_boot(fd: int) -> None:
    """Make the file whole and of this boot. Its space is taken now: a full disk is an error here, not a crash later."""
    header = FORMAT + _boot_id()
    fcntl.lockf(fd, fcntl.LOCK_EX, 1, START_LOCK)
    try:
        if os.pread(fd, len(header), 0) == header and os.fstat(fd).st_size == HEADER_BYTES + TABLE_BYTES:
            return
        os.ftruncate(fd, 0)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(fd, 0, HEADER_BYTES + TABLE_BYTES)
        else:
            os.ftruncate(fd, HEADER_BYTES + TABLE_BYTES)
        os.pwrite(fd, header, 0)
    finally:
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, START_LOCK)


def _boot_id() -> bytes:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes()
    except OSError:
        return b"unknown"


def _forget_leases_of_parent() -> None:
    """Forget them in a forked child: locks are the parent's, and a thread of the parent may have held ours."""
    global _tables_lock
    _tables_lock = threading.Lock()
    for table in _tables.values():
        table.lock = threading.Lock()
        table.taken = {}
        table.generation += 1


os.register_at_fork(after_in_child=_forget_leases_of_parent)
