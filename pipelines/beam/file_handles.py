"""How many files the processes of a build may have open."""

import resource

from byline.catalog.errors import ConfigError

NEEDED = 40
"""What the smallest build was seen to do with. Fewer end in Beam, in a way that says nothing of files."""
WANTED = 4096


def allow_files() -> None:
    """Raise this process' limit of open files to `WANTED`, or as far as it may. Raises `ConfigError` below `NEEDED`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < WANTED:
        soft = WANTED if hard == resource.RLIM_INFINITY else min(WANTED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < NEEDED:
        raise ConfigError(f"{soft} files may be open at once, and a build needs {NEEDED}; raise it: ulimit -n {WANTED}")
