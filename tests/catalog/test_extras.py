"""What is said where a library of an extra is missing, with libraries that are really missing."""

import subprocess
import sys
from importlib import import_module

import pytest

from byline.catalog.configs.extras import extra_with, extras, needs, require
from byline.catalog.errors import ConfigError

VERBS = {
    "train": (["train", "any.toml"], "torch"),
    "sample": (["sample", "any", "--prompt", "a"], "torch"),
    "report": (["report", "a/releases/b", "any"], "torch"),
}
WITHOUT = (
    "import sys; sys.modules[{library!r}] = None; sys.argv[1:] = {arguments!r}; "
    "from byline.cli.main import main; main()"
)


def test_a_library_that_the_block_lacks_is_told_with_the_extra():
    with pytest.raises(ConfigError) as caught, needs("train", "byline train"):
        import_module("no_such_library.of_ours")
    said = "byline train needs no_such_library, which is not installed: pip install 'byline[train]'"
    assert str(caught.value) == said


def test_a_module_of_ours_that_is_missing_is_a_bug():
    with pytest.raises(ModuleNotFoundError), needs("train", "byline train"):
        import_module("byline.catalog.no_such_module")


def test_all_that_is_missing_is_told_at_once_and_how_to_do_without():
    require("pdq", "PDQ", "json")
    said = r"PDQ needs no_a and no_b, which are not installed: pip install 'byline\[pdq\]', or leave pdq out"
    with pytest.raises(ConfigError, match=said):
        require("pdq", "PDQ", "json", "no_a", "no_b", otherwise="leave pdq out")


def test_extras_are_those_of_the_installed_distribution():
    assert "s3fs" in extras()["s3"]
    assert extra_with("S3FS") == "s3"
    assert extra_with("no-such-distribution") is None


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_without_its_library_is_one_line(verb, tmp_path):
    arguments, library = VERBS[verb]
    code = WITHOUT.format(library=library, arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert f"byline: byline {verb}" in done.stderr
    assert f"needs {library}, which is not installed: pip install 'byline[train]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_store_without_its_library_names_the_extra(tmp_path):
    code = WITHOUT.format(library="s3fs", arguments=["verify", "s3://bucket/releases/demo"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (
        done.stderr
        == "byline: s3://bucket/releases/demo needs s3fs, which is not installed: pip install 'byline[s3]'\n"
    )
