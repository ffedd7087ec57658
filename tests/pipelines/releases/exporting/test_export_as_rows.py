"""An export as Parquet: the release as rows, and what is wrong with them."""

import hashlib
import json
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from byline.catalog.corpora.manifest import Release, rows_path
from byline.pipelines.releases.exporting import parquet
from byline.pipelines.releases.exporting.export import export
from byline.pipelines.releases.verify import verify
from byline.training.samples import Names, read_names, read_samples
from tests.builders import tree_digest
from tests.pipelines.releases.exporting.verbs import byline, url_of

pytestmark = pytest.mark.beam


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


def test_rows_are_the_release_they_were_made_from(release, rows):
    opened = Release(str(rows))
    assert (opened.name, opened.version, opened.manifest) == (release.name, release.version, release.manifest)
    assert list(verify(opened)) == []
    for shard in release.manifest.shards:
        assert opened.read_shard(shard) == release.read_shard(shard)
        samples = read_samples(release, shard)
        assert read_samples(opened, shard) == samples
        named = Names(sha256s=samples.sha256s, captions=samples.captions)
        assert read_names(opened, shard) == read_names(release, shard) == named


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


@pytest.mark.slow
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
    done = byline("verify", rows)
    assert (done.returncode, done.stderr.strip()) == (1, "")
    assert said in done.stdout


@pytest.mark.slow
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
    done = byline("verify", rows)
    assert (done.returncode, done.stderr.strip()) == (1, "")
    assert said in done.stdout


def test_rows_that_are_missing_or_cut_off_are_one_line_each(release, rows):
    first, second = (rows_path(shard) for shard in release.manifest.shards[:2])
    (rows / first).unlink()
    (rows / second).write_bytes((rows / second).read_bytes()[:1000])
    done = byline("verify", rows)
    assert (done.returncode, done.stderr.strip()) == (1, "")
    assert f"{first}: missing; export the release again\n" in done.stdout
    assert f"{second} is not a whole Parquet file" in done.stdout


def test_rows_are_exported_from_their_corpus_only(rows, tmp_path):
    done = byline("export", rows, tmp_path / "again")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "is an export as Parquet; copy it, or export small from its corpus" in done.stderr
    assert not (tmp_path / "again").exists()


def test_datasets_is_another_name_of_parquet(release, rows, tmp_path):
    assert byline("export", url_of(release), tmp_path / "named", "--format", "datasets").returncode == 0
    assert tree_digest(tmp_path / "named") == tree_digest(rows)
