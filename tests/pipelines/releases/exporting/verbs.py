"""Verbs as people run them, and an export that is killed on its way."""

import subprocess
import sys

from byline.catalog.corpora.manifest import Format, Release

KILLED_MIDWAY = """
import os, signal, sys
from byline.catalog.corpora.manifest import Release
from byline.pipelines.releases.exporting.export import export
release, dest, format = sys.argv[1:]
export(Release(release), dest, lambda _: os.kill(os.getpid(), signal.SIGKILL), format=format)
"""


def url_of(release: Release) -> str:
    """Return what a verb is given as a release."""
    return release.store.url(release.path)


def byline(*arguments, **options):
    """Run a verb."""
    command = [sys.executable, "-m", "byline.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def kill_at_first_shard(release: Release, dest: str, format: Format = "webdataset") -> None:
    """Begin an export, and kill -9 it once the first bytes of a shard are there."""
    command = [sys.executable, "-c", KILLED_MIDWAY, url_of(release), dest, format]
    assert subprocess.run(command, check=False).returncode == -9
