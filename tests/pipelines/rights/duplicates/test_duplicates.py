"""`byline duplicates`, on a release that a real build made."""

import json
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from byline.catalog.corpora.manifest import Release
from byline.catalog.denylists.denylist import Entry
from byline.catalog.denylists.lists import add_entries
from byline.catalog.digests import sha256_hex
from byline.catalog.errors import BylineError, CorpusError
from byline.cli.main import app
from byline.pipelines.beam.build import build
from byline.pipelines.facts.likeness import views_in
from byline.pipelines.rights.duplicates.collecting import collect
from byline.pipelines.rights.duplicates.ledger import copies_each, read_ledger
from tests.builders import a_corpus, a_picture, a_yfcc_line, encoded, write_corpus

pytestmark = pytest.mark.beam

HOST = "https://pictures.example"
PHOTO, OTHER = (f"samples/photographs/lomiri-{name}.jpg" for name in ("dragonfly-by-bolly", "wine-by-jakkub-mede"))
SHARE_ALIKE = "https://creativecommons.org/licenses/by-sa/4.0/"
HOSTILE = "blobs+<img+src=x+onerror=alert(1)>"


def _files():
    """Return a photo and itself smaller; a picture twice; one as two PNGs; one under two licenses; a placeholder."""
    with Image.open(PHOTO) as photo, Image.open(OTHER) as other:
        files = {"1.jpg": encoded(photo), "2.jpg": encoded(photo.resize((150, 112)), quality=60)}
        files |= {f"{number}.jpg": encoded(other, quality=number * 11) for number in (7, 8)}
    files |= {"0.jpg": encoded(a_picture(0))}
    files |= dict.fromkeys(("3.jpg", "4.jpg"), encoded(a_picture(3)))
    files |= {f"{number}.png": encoded(a_picture(5), "PNG", compress_level=number) for number in (5, 6)}
    return files | {f"p{hand}.jpg": encoded(a_picture(9)) for hand in range(10)}


def _lines(files):
    said = {"4": {"title": HOSTILE}, "8": {"licensename": "", "licenseurl": SHARE_ALIKE}}
    said |= {f"p{hand}": {"unickname": f"hand+{hand}"} for hand in range(10)}
    names = {name.partition(".")[0]: name for name in files}
    return [a_yfcc_line(key, f"{HOST}/{name}", **said.get(key, {})) for key, name in names.items()]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("duplicates"), _files()
    config = write_corpus(folder, _lines(files), num_packs=3)
    for name, data in files.items():
        (folder / "pictures" / name).write_bytes(data)
    build(str(config), workers=1)
    return folder / "corpus"


@pytest.fixture
def corpus(built, tmp_path):
    """Return a corpus of one's own."""
    return shutil.copytree(built, tmp_path / "corpus")


def _release(corpus):
    return Release(f"{corpus}/releases/small")


def _found(corpus, limit=500):
    return collect(_release(corpus), limit=limit, begin=lambda total: lambda more: None)


def _clusters(corpus):
    """Return keeper -> its copies, without the source's name."""

    def own(picture):
        return None if picture is None else picture.record_id.removeprefix("test:")

    return {own(cluster.keeper): {own(copy) for copy in cluster.copies} for cluster in _found(corpus).clusters}


def _run(corpus, out, *options):
    return CliRunner().invoke(app, ["duplicates", f"{corpus}/releases/small", "--out", str(out), *options])


@pytest.mark.slow
def test_the_clusters_are_those_of_the_ledger_and_placeholders_are_none(built):
    clusters = _clusters(built)
    assert {frozenset({keeper, *copies}) for keeper, copies in clusters.items()} == {
        frozenset("12"),
        frozenset("34"),
        frozenset("56"),
        frozenset("78"),
    }
    assert clusters["1"] == {"2"}
    assert clusters["3"] == {"4"}


def test_a_page_is_written_and_told_in_one_line(built, tmp_path):
    result = _run(built, tmp_path / "new/page.html")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith(
        "MB): 4 of 4 clusters, 4 copies in all, 1 with their keeper's bytes, 1 in license conflict\n"
    )
    text = (tmp_path / "new/page.html").read_text()
    for part in ("more pixels: ", "against 150x112", "same bytes", "same pixels", "license conflict"):
        assert part in text
    assert "<img" not in text


def test_equal_releases_give_equal_pages(built, tmp_path):
    for name in ("a", "b"):
        _run(built, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_every_picture_of_a_cluster_has_its_thumbnail(built):
    found = _found(built)
    shown = {one.sha256 for cluster in found.clusters for one in (cluster.keeper, *cluster.copies)}
    assert set(found.thumbnails) == shown


def test_a_limit_leaves_clusters_out_and_tells_it(built, tmp_path):
    assert "1 of 4 clusters" in _run(built, tmp_path / "page.html", "--limit", "1").stdout
    assert "3 of 4 clusters" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(("kind", "value"), [("record", "test:2"), ("url", f"{HOST}/2.jpg"), ("sha256", None)])
def test_a_copy_that_was_taken_down_is_never_shown(corpus, kind, value):
    before = _found(corpus)
    (copy,) = (one for cluster in before.clusters for one in cluster.copies if one.record_id == "test:2")
    add_entries(_release(corpus).store, [Entry(kind=kind, value=value or copy.sha256)])
    after = _found(corpus)
    assert after.num_taken_down == 1
    assert copy.sha256 not in after.thumbnails
    assert "1" not in _clusters(corpus)


def test_when_a_keeper_was_taken_down_its_copies_stay(corpus):
    add_entries(_release(corpus).store, [Entry(kind="record", value="test:1")])
    assert _clusters(corpus)[None] == {"2"}


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_picture_that_looks_like_what_was_taken_down_is_not_shown(corpus, is_turned):
    (keeper,) = (cluster.keeper for cluster in _found(corpus).clusters if cluster.keeper.record_id == "test:1")
    code = views_in(keeper.turned)[0][1] if is_turned else keeper.phash256
    add_entries(_release(corpus).store, [Entry(kind="phash256", value=code.hex(), radius_bits=12)])
    assert not {"1", None} & set(_clusters(corpus))


def test_nothing_is_shown_while_a_takedown_is_under_way(corpus):
    (corpus / "takedowns").mkdir(exist_ok=True)
    (corpus / "takedowns/pending.json").write_text("{}")
    with pytest.raises(CorpusError, match="a takedown was begun and not completed"):
        _found(corpus)


def test_without_facts_the_page_is_made_of_what_is_known(corpus, tmp_path):
    shutil.rmtree(corpus / "facts")
    shutil.rmtree(corpus / "judgements")
    assert _run(corpus, tmp_path / "page.html").exit_code == 0
    assert "no thumbnail" in (tmp_path / "page.html").read_text()


def test_a_release_without_its_corpus_is_one_clear_line(corpus):
    shutil.rmtree(corpus / "records")
    with pytest.raises(CorpusError, match=r"records/test/.* is missing: the page needs the records"):
        _found(corpus)


def test_an_edited_ledger_is_not_believed(corpus):
    path = corpus / _release(corpus).path / "clusters.parquet"
    pq.write_table(pq.read_table(path).slice(1), path)
    with pytest.raises(BylineError, match="was edited"):
        _found(corpus)


def test_a_release_without_duplicates_gives_a_page_that_says_so(tmp_path):
    build(str(a_corpus(tmp_path, num_pictures=2, num_packs=1)), workers=1)
    result = _run(tmp_path / "corpus", tmp_path / "page.html")
    assert result.stdout.endswith("the release has no duplicates\n")
    assert "This release has no duplicates" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("sizes", "room", "each"),
    [([3, 3], 100, 3), ([1, 1, 1_000_000], 52, 50), ([5, 5, 5], 2, 1), ([], 7, 1), ([4, 2], 6, 4), ([4, 2], 5, 3)],
)
def test_large_clusters_are_cut_to_one_size_that_fits(sizes, room, each):
    assert copies_each(np.array(sizes, np.int64), room) == each


def test_a_ledger_counts_all_and_lists_the_largest_first(built):
    ledger = read_ledger(_release(built), limit=2)
    assert (ledger.num_clusters, ledger.num_copies, len(ledger.chosen)) == (4, 4, 2)
    assert [one.keeper_sha256 for one in ledger.chosen] == sorted(one.keeper_sha256 for one in ledger.chosen)


def _with_ledger(corpus, rows):
    """Put another ledger into the release, and name it in the manifest."""
    release = _release(corpus)
    table = pa.Table.from_pylist(rows, schema=pq.read_schema(corpus / release.path / "clusters.parquet"))
    pq.write_table(table, corpus / release.path / "clusters.parquet")
    path = corpus / release.path / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["papers"]["clusters.parquet"] = sha256_hex((corpus / release.path / "clusters.parquet").read_bytes())
    path.write_text(json.dumps(manifest))
    return _release(corpus)


def test_copies_that_only_an_embedding_finds_come_last_the_least_alike_at_the_end(corpus):
    said = {"license": "CC-BY-4.0", "keeper_record_id": "test:0", "keeper_sha256": "a" * 64, "reasons": []}
    found = {"a": (None, 0.7), "b": (None, 0.9), "c": (9, None), "d": (0, None)}
    rows = [
        {**said, "record_id": name, "sha256": name * 64, "distance_bits": distance, "cosine": cosine}
        for name, (distance, cosine) in found.items()
    ]
    (cluster,) = read_ledger(_with_ledger(corpus, rows), limit=9).chosen
    assert [row["record_id"] for row in cluster.copies] == ["d", "c", "b", "a"]
