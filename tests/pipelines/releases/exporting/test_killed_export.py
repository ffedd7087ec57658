"""An export that was killed, and one to an object store: whole or not there, and gone on with."""

import fsspec
import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import ConfigError, CorpusError
from byline.pipelines.releases.exporting.export import export
from byline.pipelines.releases.verify import verify
from tests.builders import tree_digest
from tests.pipelines.releases.exporting.verbs import kill_at_first_shard

pytestmark = pytest.mark.beam


@pytest.mark.slow
@pytest.mark.parametrize("url", ["s3://exports-in-folders/of/it", "s3://one-export"])
def test_it_goes_to_an_object_store_and_back(url, s3_root, release, exported, tmp_path):
    fsspec.filesystem("s3").mkdir(url.split("/")[2])
    export(release, url)
    assert list(verify(Release(url))) == []
    export(Release(url), str(tmp_path / "back"))
    assert tree_digest(tmp_path / "back") == tree_digest(exported)
    with pytest.raises(ConfigError, match="holds an export already"):
        export(release, url)


@pytest.mark.slow
@pytest.mark.parametrize(("format", "other"), [("webdataset", "parquet"), ("parquet", "webdataset")])
def test_what_was_killed_on_its_way_to_an_object_store_is_gone_on_with(format, other, s3_root, release):
    url = f"{s3_root}/killed-{format}"
    kill_at_first_shard(release, url, format)
    with pytest.raises(CorpusError, match="is not whole; run its byline export again"):
        Release(url)
    with pytest.raises(ConfigError, match="is not empty"):
        export(release, url, format=other)
    export(release, url, format=format)
    assert list(verify(Release(url))) == []
    with pytest.raises(ConfigError, match="holds an export already"):
        export(release, url, format=format)


@pytest.mark.slow
def test_a_prefix_that_holds_something_else_is_left_alone(s3_root, release):
    url, fs = f"{s3_root}/mine", fsspec.filesystem("s3")
    fs.pipe_file(f"{url}/notes.txt", b"mine")
    with pytest.raises(ConfigError, match=r"is not empty: it has notes\.txt; name a new folder"):
        export(release, url)
    kill_at_first_shard(release, f"{s3_root}/other")
    fs.pipe_file(f"{s3_root}/other/notes.txt", b"mine")
    with pytest.raises(ConfigError, match=r"beside an unfinished export it has notes\.txt"):
        export(release, f"{s3_root}/other")


@pytest.mark.slow
def test_what_was_killed_does_not_look_done_and_is_run_again(release, exported, tmp_path):
    kill_at_first_shard(release, str(tmp_path / "out/again"))
    (left,) = (tmp_path / "out").iterdir()
    assert left.name.startswith(".again.partial-")
    export(release, str(tmp_path / "out/again"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["again"]
    assert tree_digest(tmp_path / "out/again") == tree_digest(exported)
