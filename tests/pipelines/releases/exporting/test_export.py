"""An export is whole or not there, wherever it goes, and is the release that it was made from."""

import hashlib
import json
import resource
import shutil
import subprocess
import sys
import tarfile

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.manifest import Release, rows_path
from byline.catalog.errors import ConfigError, CorpusError
from byline.diffusion.checkpoint import open_checkpoint
from byline.pipelines.releases.exporting import parquet
from byline.pipelines.releases.exporting.export import export
from byline.pipelines.releases.exporting.places import from_export, in_export
from byline.pipelines.releases.verify import verify
from byline.training.run import run
from byline.training.samples import read_samples
from tests.builders import tree_digest
from tests.training.builders import a_diffusion_run, an_autoencoder, write_toml

pytestmark = pytest.mark.beam
KILLED_MIDWAY = """
import os, signal, sys
from byline.catalog.corpora.manifest import Release
from byline.pipelines.releases.exporting.export import export
export(Release(sys.argv[1]), sys.argv[2], lambda _: os.kill(os.getpid(), signal.SIGKILL))
"""


def _url(release):
    return release.store.url(release.path)


def _byline(*arguments, **options):
    command = [sys.executable, "-m", "byline.cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def _killed(release, url):
    done = subprocess.run([sys.executable, "-c", KILLED_MIDWAY, _url(release), url], check=False)
    assert done.returncode == -9


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


def _rewritten(path, change):
    """Change the rows of a Parquet file, and write it as any tool does that knows nothing of byline."""
    table = pq.read_table(path)
    changed = table.to_pylist()
    change(changed)
    pq.write_table(pa.Table.from_pylist(changed, schema=table.schema), path)


def _summed_again(folder, path):
    """Give SHA256SUMS the digest that a changed file has now, as who hides a change would."""
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    digest = hashlib.sha256((folder / path).read_bytes()).hexdigest()
    lines = [f"{digest}  {path}\n" if line.endswith(f"  {path}\n") else line for line in lines]
    (folder / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def damaged(release, tmp_path):
    """Return a release of which one shard is not what it was."""
    shutil.copytree(release.store.local_path(""), tmp_path / "corpus")
    shard = tmp_path / f"corpus/{release.shard_path(release.manifest.shards[-1])}"
    shard.write_bytes(shard.read_bytes().replace(b"JFIF", b"JFIX", 1))
    return Release(str(tmp_path / f"corpus/{release.path}"))


def test_it_is_the_release_it_was_made_from(release, exported):
    opened = Release(str(exported))
    assert (opened.name, opened.version, opened.manifest) == (release.name, release.version, release.manifest)
    assert list(verify(opened)) == []
    for shard in release.manifest.shards:
        assert read_samples(opened, shard) == read_samples(release, shard)


@pytest.mark.parametrize("format", ["webdataset", "parquet"])
def test_a_model_trained_on_it_is_that_of_the_release_and_it_stays_as_it_was(format, release, tmp_path):
    exported = tmp_path / "export"
    export(release, str(exported), format=format)
    autoencoder, before = an_autoencoder(tmp_path / "vae"), tree_digest(exported)
    for name, place in (("here", _url(release)), ("there", str(exported))):
        run(write_toml(tmp_path / f"{name}.toml", a_diffusion_run(place, tmp_path / name, autoencoder)))
    infos = [open_checkpoint(tmp_path / name)[1] for name in ("here", "there")]
    assert infos[0].files == infos[1].files
    assert infos[0].release_digest == infos[1].release_digest == release.manifest.digest
    assert tree_digest(exported) == before
    assert not (tmp_path / "facts").exists()


def test_everything_is_in_the_folder_and_sha256sum_says_so(exported, tmp_path):
    moved = exported.rename(tmp_path / "elsewhere")
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=moved, check=False)
    assert done.returncode == 0
    summed = {line.split("  ")[1] for line in (moved / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(moved)) for path in moved.rglob("*") if path.is_file()}
    assert there == summed | {"SHA256SUMS"}
    shards = [line for split in ("train", "heldout") for line in (moved / f"shards-{split}.txt").read_text().split()]
    assert shards
    for shard in shards:
        with tarfile.open(moved / shard) as tar:
            assert tar.getnames()
    assert ".." not in (moved / "croissant.json").read_text()


def test_it_depends_on_nothing_but_the_release(release, exported, tmp_path):
    export(Release(str(exported)), str(tmp_path / "of the export"))
    (tmp_path / "empty").mkdir()
    export(release, str(tmp_path / "empty") + "/")
    assert tree_digest(tmp_path / "of the export") == tree_digest(tmp_path / "empty") == tree_digest(exported)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("README.md", "README.md: its bytes are not those that the manifest lists"),
        ("croissant.json", "croissant.json: its bytes are not those that the manifest lists"),
        ("shards-train.txt", "shards-train.txt: its bytes are not those that the manifest lists"),
        ("export.json", "export.json is damaged"),
        ("shards/extra.tar", "shards/extra.tar: not listed in the manifest"),
    ],
)
def test_what_is_changed_in_it_is_named(path, said, exported):
    with (exported / path).open("ab") as file:
        file.write(b"shards/more.tar\n")
    done = _byline("verify", exported)
    assert done.returncode in (1, 2)
    assert said in done.stdout + done.stderr


def test_a_shard_that_is_missing_is_named(release, exported):
    name = release.manifest.shards[0].name
    (exported / "shards" / name).unlink()
    assert f"{name}: missing; export the release again" in list(verify(Release(str(exported))))


def test_what_hubs_keep_beside_a_data_set_is_not_minded(exported):
    (exported / ".gitattributes").write_text("*.tar filter=lfs\n")
    assert list(verify(Release(str(exported)))) == []


def test_rows_are_the_release_they_were_made_from(release, rows):
    opened = Release(str(rows))
    assert (opened.name, opened.version, opened.manifest) == (release.name, release.version, release.manifest)
    assert list(verify(opened)) == []
    for shard in release.manifest.shards:
        assert opened.read_shard(shard) == release.read_shard(shard)
        assert read_samples(opened, shard) == read_samples(release, shard)


def test_rows_depend_on_nothing_but_the_release(release, exported, rows, tmp_path):
    export(Release(str(exported)), str(tmp_path / "of the export"), format="parquet")
    assert tree_digest(tmp_path / "of the export") == tree_digest(rows)


def test_all_of_an_export_as_rows_is_summed_and_its_card_names_what_is_there(rows):
    done = subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=rows, check=False)
    assert done.returncode == 0
    summed = {line.split("  ")[1] for line in (rows / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(rows)) for path in rows.rglob("*") if path.is_file()}
    assert there == summed | {"SHA256SUMS"}
    (configs,) = (line for line in (rows / "README.md").read_text().splitlines() if line.startswith("configs: "))
    files = json.loads(configs.removeprefix("configs: "))[0]["data_files"]
    assert {path for split in files for path in split["path"]} == {path for path in there if path.startswith("data/")}


def test_row_groups_are_bounded(release, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_ROWS", 3)
    monkeypatch.setattr(parquet, "MAX_BYTES", 10_000)
    export(release, str(tmp_path / "rows"), format="parquet")
    assert list(verify(Release(str(tmp_path / "rows")))) == []
    for path in tmp_path.glob("rows/data/*/*.parquet"):
        file = pq.ParquetFile(path)
        for number in range(file.num_row_groups):
            sizes = [len(image["bytes"]) for image in file.read_row_group(number)["image"].to_pylist()]
            assert 0 < len(sizes) <= 3
            assert len(sizes) == 1 or sum(sizes) <= 10_000


@pytest.mark.parametrize("is_hidden", [False, True])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[0].update(creator="Nobody"), "creator is"),
        (lambda rows: rows[0].update(caption="Nothing."), "samples are not those that the manifest lists"),
        (
            lambda rows: rows[0]["image"].update(bytes=rows[0]["image"]["bytes"] + b"\0"),
            "the picture's bytes are not those that were stored",
        ),
        (lambda rows: rows[0].update(image=rows[1]["image"]), "has no picture of that name"),
        (lambda rows: rows[0].update(image=None), "has no picture of that name"),
        (lambda rows: rows[0].update(caption=None), "has no caption"),
        (lambda rows: rows[0].update(key=None), "has no picture of that name"),
        (lambda rows: rows.pop(), "samples; the manifest says"),
        (lambda rows: rows.append(rows[0]), "shipped twice"),
        (lambda rows: rows.reverse(), "samples are not in key order"),
    ],
)
def test_a_row_that_is_changed_is_named(change, said, is_hidden, release, rows):
    shard = max(release.manifest.shards, key=lambda shard: shard.num_samples)
    path = rows_path(shard)
    _rewritten(rows / path, change)
    if is_hidden:
        _summed_again(rows, path)
    problems = list(verify(Release(str(rows))))
    assert any(said in problem for problem in problems)
    assert (f"{path}: its bytes are not those that SHA256SUMS lists" in problems) != is_hidden


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda table: table.drop_columns(["caption"]), "its columns are image, url, "),
        (lambda table: table.append_column("key", table["key"]), "rows of samples have other ones"),
        (lambda table: table.append_column("more", pa.array([b"\0"] * len(table))), "cannot be a sample"),
        (lambda table: table.append_column("more", pa.array(["?"] * len(table))), "samples are not those"),
        (lambda table: pa.table({"other": [1]}), "its columns are other; rows of samples have other ones"),
    ],
)
def test_columns_that_are_not_those_of_samples_are_one_line(change, said, release, rows):
    path = rows_path(release.manifest.shards[0])
    pq.write_table(change(pq.read_table(rows / path)), rows / path)
    done = _byline("verify", rows)
    assert (done.returncode, done.stderr.strip()) == (1, "")
    assert said in done.stdout


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("README.md", "README.md: its bytes are not those that the manifest lists"),
        ("SHA256SUMS", "SHA256SUMS: its bytes are not those that the manifest lists"),
        ("data/train/extra.parquet", "data/train/extra.parquet: not listed in the manifest"),
        ("data/extra.parquet", "data/extra.parquet: not listed in the manifest"),
        ("croissant.json", "croissant.json: not listed in the manifest"),
    ],
)
def test_what_is_changed_beside_rows_is_named(path, said, rows):
    with (rows / path).open("ab") as file:
        file.write(b"more\n")
    done = _byline("verify", rows)
    assert (done.returncode, done.stderr.strip()) == (1, "")
    assert said in done.stdout


def test_rows_that_are_missing_or_cut_off_are_one_line_each(release, rows):
    first, second = (rows_path(shard) for shard in release.manifest.shards[:2])
    (rows / first).unlink()
    (rows / second).write_bytes((rows / second).read_bytes()[:1000])
    done = _byline("verify", rows)
    assert (done.returncode, done.stderr.strip()) == (1, "")
    assert f"{first}: missing; export the release again\n" in done.stdout
    assert f"{second} is not a whole Parquet file" in done.stdout


def test_rows_are_exported_from_their_corpus_only(rows, tmp_path):
    done = _byline("export", rows, tmp_path / "again")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is an export as Parquet; copy it, or export small from its corpus" in done.stderr
    assert not (tmp_path / "again").exists()


def test_datasets_is_another_name_of_parquet(release, rows, tmp_path):
    assert _byline("export", _url(release), tmp_path / "named", "--format", "datasets").returncode == 0
    assert tree_digest(tmp_path / "named") == tree_digest(rows)


def test_rows_go_to_an_object_store_after_a_kill_too(s3_root, release):
    url = f"{s3_root}/rows"
    killed = KILLED_MIDWAY.replace("SIGKILL)", "SIGKILL), format='parquet'")
    assert subprocess.run([sys.executable, "-c", killed, _url(release), url], check=False).returncode == -9
    with pytest.raises(CorpusError, match="is not whole; run its byline export again"):
        Release(url)
    with pytest.raises(ConfigError, match="is not empty"):
        export(release, url)
    export(release, url, format="parquet")
    assert list(verify(Release(url))) == []
    with pytest.raises(ConfigError, match="holds an export already"):
        export(release, url, format="parquet")


def test_a_card_of_rows_is_changed_back_to_the_byte():
    card = b'---\npretty_name: "parquet"\ntags: ["image", "text", "webdataset", "croissant"]\n'
    card += b'configs: [{"path": ["shards/a-heldout-b-train-0.tar", "shards/*-train-??.tar"]}]\n---\n'
    card += b'\n## How to load it\n\nFrom "shards/a-train-b.tar"'
    placed = in_export("README.md", card, "parquet")
    assert b'"data/train/a-heldout-b-train-0.parquet", "data/train/*-train-??.parquet"' in placed
    assert b"load_dataset" in placed
    assert placed.endswith(b'From "shards/a-train-b.tar"')
    assert from_export("README.md", placed, "parquet") == card


def test_a_place_is_changed_where_a_paper_names_one_and_nowhere_else():
    said = b'{"contentUrl": "../../../shards/a.tar", "name": "\\"contentUrl\\": \\"../../../shards/"}'
    placed = in_export("croissant.json", said)
    assert placed == said.replace(b'"../../../shards/a.tar"', b'"shards/a.tar"')
    assert from_export("croissant.json", placed) == said
    assert in_export("README.md", said) == said
    assert from_export("croissant.json", said + placed) == said + placed


def test_a_folder_that_is_not_empty_is_left_alone(release, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="mine is not empty; name a new folder"):
        export(release, str(tmp_path / "mine"))
    with pytest.raises(ConfigError, match=r"notes\.txt is a file; name a new folder"):
        export(release, str(tmp_path / "mine/notes.txt"))
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "notes.txt"]


def test_an_export_is_not_written_over_another(release, exported):
    with pytest.raises(ConfigError, match="holds an export already"):
        export(release, str(exported))


def test_a_folder_inside_the_corpus_is_refused(release):
    with pytest.raises(ConfigError, match="is inside the corpus"):
        export(release, release.store.url("releases/exported"))


def test_a_damaged_release_leaves_nothing(damaged, tmp_path):
    with pytest.raises(CorpusError, match="is damaged: its bytes are not those that the manifest lists"):
        export(damaged, str(tmp_path / "out/export"))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_edited_manifest_leaves_nothing(release, tmp_path):
    shutil.copytree(release.store.local_path(""), tmp_path / "corpus")
    manifest = tmp_path / f"corpus/{release.path}/manifest.json"
    manifest.write_bytes(manifest.read_bytes().replace(b'"name":"small"', b'"name":"other"'))
    with pytest.raises(CorpusError, match="was edited"):
        export(Release(str(tmp_path / f"corpus/{release.path}")), str(tmp_path / "export"))
    assert not (tmp_path / "export").exists()


def test_what_was_killed_does_not_look_done_and_is_run_again(release, exported, tmp_path):
    _killed(release, str(tmp_path / "out/again"))
    (left,) = (tmp_path / "out").iterdir()
    assert left.name.startswith(".again.partial-")
    export(release, str(tmp_path / "out/again"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["again"]
    assert tree_digest(tmp_path / "out/again") == tree_digest(exported)


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(release, tmp_path):
    def few_bytes():
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = _byline("export", _url(release), tmp_path / "out/export", preexec_fn=few_bytes)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("byline: cannot write ")
    assert done.stderr.endswith("File too large\n")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_unknown_format_is_one_line(release, tmp_path):
    done = _byline("export", _url(release), tmp_path / "export", "--format", "zip")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("byline: no format is called 'zip'; the formats are webdataset")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "export").exists()


def test_what_needs_the_corpus_says_so_of_an_export(exported):
    done = _byline("recheck", exported)
    assert done.returncode == 2
    assert "is an export, and this needs the corpus that release small was built in" in done.stderr


@pytest.mark.parametrize("url", ["s3://exports-in-folders/of/it", "s3://one-export"])
def test_it_goes_to_an_object_store_and_back(url, s3_root, release, exported, tmp_path):
    fsspec.filesystem("s3").mkdir(url.split("/")[2])
    export(release, url)
    assert list(verify(Release(url))) == []
    export(Release(url), str(tmp_path / "back"))
    assert tree_digest(tmp_path / "back") == tree_digest(exported)
    with pytest.raises(ConfigError, match="holds an export already"):
        export(release, url)


def test_what_was_killed_on_its_way_to_an_object_store_is_gone_on_with(s3_root, release):
    url = f"{s3_root}/killed"
    _killed(release, url)
    with pytest.raises(CorpusError, match="is not whole; run its byline export again"):
        Release(url)
    export(release, url)
    assert list(verify(Release(url))) == []


def test_a_prefix_that_holds_something_else_is_left_alone(s3_root, release):
    url, fs = f"{s3_root}/mine", fsspec.filesystem("s3")
    fs.pipe_file(f"{url}/notes.txt", b"mine")
    with pytest.raises(ConfigError, match=r"is not empty: it has notes\.txt; name a new folder"):
        export(release, url)
    _killed(release, f"{s3_root}/other")
    fs.pipe_file(f"{s3_root}/other/notes.txt", b"mine")
    with pytest.raises(ConfigError, match=r"beside an unfinished export it has notes\.txt"):
        export(release, f"{s3_root}/other")
