"""Verbs whose output goes into a file or a pipe: nothing but what they say."""

import subprocess
import sys

import pytest

from tests.builders import a_picture, encoded

pytestmark = pytest.mark.beam


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("verify", "{release}"),
        ("duplicates", "{release}"),
        ("report", "{release}"),
        ("plan", "{config}"),
        ("export", "{release}", "exported"),
        ("hashes", "{pictures}", "--out", "hashes.parquet"),
        ("takedown", "check", "--corpus", "{corpus}", "--picture", "other.jpg"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_verb_draws_no_bar_and_no_empty_line(arguments, small, tmp_path):
    config, release = small
    (tmp_path / "other.jpg").write_bytes(encoded(a_picture(1000)))
    names = {
        "config": config,
        "release": release.store.url(release.path),
        "pictures": config.parent / "pictures",
        "corpus": release.store.root,
    }
    filled = [argument.format(**names) for argument in arguments]
    command = [sys.executable, "-m", "byline.cli.main", *filled]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
