"""A release and its exports, for the tests of exporting."""

import shutil

import pytest

from byline.catalog.corpora.manifest import Release
from byline.pipelines.releases.exporting.export import export


@pytest.fixture(scope="module")
def release(small, tmp_path_factory):
    """Return a release that training may add facts to."""
    corpus = tmp_path_factory.mktemp("release") / "corpus"
    shutil.copytree(small[1].store.local_path(""), corpus)
    return Release(f"{corpus}/{small[1].path}")


@pytest.fixture
def exported(release, tmp_path):
    export(release, str(tmp_path / "export"))
    return tmp_path / "export"


@pytest.fixture
def rows(release, tmp_path):
    """Return an export as Parquet."""
    export(release, str(tmp_path / "rows"), format="parquet")
    return tmp_path / "rows"
