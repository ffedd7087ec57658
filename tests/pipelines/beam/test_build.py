"""The build from end to end, over real HTTP, with real Beam: what it promises."""

import subprocess
import sys

import pyarrow.compute as pc
import pytest
import webdataset as wds
from PIL import Image

from byline.catalog.corpora.packs import read_index
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from tests.builders import (
    POLICY,
    a_corpus,
    a_picture,
    a_server,
    a_yfcc_line,
    encoded,
    tree_digest,
    write_corpus,
)
from tests.captioning.models import save_tiny_blip2
from tests.kills import kill_when
from tests.pipelines.releases.released import captions_of

pytestmark = pytest.mark.beam


def test_a_release_verifies(small):
    _, release = small
    assert list(verify(release)) == []
    assert release.manifest.counts["admitted"] == 12


def test_webdataset_reads_the_shards_back(small):
    _, release = small
    folder = release.store.local_path(release.path)
    lines = (folder / "shards-train.txt").read_text().split()
    samples = list(wds.WebDataset([str(folder / line) for line in lines], shardshuffle=False).decode("pil"))
    assert len(samples) == release.manifest.counts["train"]
    assert all(isinstance(sample["jpg"], Image.Image) for sample in samples)
    assert all(sample["json"]["sha256"] == sample["__key__"] for sample in samples)
    assert {sample["txt"] for sample in samples} <= {f"blobs number {i}" for i in range(12)}


def test_a_second_build_fetches_and_measures_nothing(small):
    config, release = small
    corpus = release.store.local_path("")
    before = {p: p.stat().st_mtime_ns for room in ("packs", "facts", "shards") for p in (corpus / room).rglob("*.*")}
    again = build(str(config), workers=1)
    after = {p: p.stat().st_mtime_ns for room in ("packs", "facts", "shards") for p in (corpus / room).rglob("*.*")}
    assert again.version == release.version
    assert after == before


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_gives_the_same_release(small, tmp_path, workers):
    _, release = small
    again = build(str(a_corpus(tmp_path)), workers=workers)
    assert again.version == release.version
    folders = [r.store.local_path(r.path) for r in (release, again)]
    assert tree_digest(folders[0]) == tree_digest(folders[1])


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_release(small, tmp_path):
    _, release = small
    config = a_corpus(tmp_path)
    corpus = tmp_path / "corpus"
    command = [sys.executable, "-m", "byline.cli.main", "build", str(config), "--workers", "2"]
    for what in ("judgements/claims/*", "packs/*.tar", "facts/hashes/*/*", "facts/captions/*/*", "shards/*.tar"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        kill_when(process, lambda what=what: any(corpus.glob(what)))
    again = build(str(config), workers=1)
    assert again.version == release.version
    assert list(verify(again)) == []


@pytest.mark.slow
def test_what_may_pass_is_asked_again_and_what_is_settled_is_not(tmp_path):
    picture = encoded(a_picture(1))
    answers = {"/good": (200, "image/jpeg", picture), "/busy": (503, "text/html", b"")}
    with a_server(answers) as (base, asked):
        lines = [a_yfcc_line(path, f"{base}/{path}") for path in ("good", "busy", "gone", "always-busy")]
        answers["/always-busy"] = answers["/busy"]
        path = write_corpus(tmp_path, lines)
        path.write_text(path.read_text().replace("[fetch]", "[fetch]\nask_again_after_s = 0.0"))
        config = str(path)
        build(config, workers=1)
        answers["/busy"] = (200, "image/jpeg", encoded(a_picture(2)))
        for _ in range(4):
            release = build(config, workers=1)
    counts = {path: asked.count(path) for path in ("/good", "/busy", "/gone", "/always-busy")}
    assert counts == {"/good": 1, "/busy": 2, "/gone": 1, "/always-busy": 3}
    assert release.manifest.counts["admitted"] == 2


@pytest.mark.slow
def test_a_corrected_title_is_captioned_anew_and_nothing_is_fetched_again(tmp_path):
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1)))}) as (base, asked):
        config = str(write_corpus(tmp_path, [a_yfcc_line("a", f"{base}/a", title="teh fox")]))
        build(config, workers=1)
        metadata = tmp_path / "metadata.tsv"
        metadata.write_text(metadata.read_text().replace("teh fox", "the fox"))
        release = build(config, workers=1)
    assert asked == ["/a"]
    assert captions_of(release) == {"test:a": "the fox"}


def test_a_deleted_shard_is_written_again(tmp_path):
    config = str(a_corpus(tmp_path, num_pictures=2, num_packs=1))
    release = build(config, workers=1)
    for path in (tmp_path / "corpus/shards").glob("*.tar"):
        path.unlink()
    assert list(verify(build(config, workers=1))) == []
    assert release.manifest.counts["admitted"] == 2


@pytest.mark.slow
def test_other_verdicts_are_another_version(tmp_path):
    lines = [a_yfcc_line("a", "https://pictures.example/0.jpg"), a_yfcc_line("b", "http://x/b", licenseurl="")]
    config = str(write_corpus(tmp_path, lines))
    (tmp_path / "pictures/0.jpg").write_bytes(encoded(a_picture(0)))
    first = build(config, workers=1)
    metadata = tmp_path / "metadata.tsv"
    metadata.write_text(metadata.read_text().replace("http://x/b", "http://x/c").replace("\nb\t", "\nc\t"))
    second = build(config, workers=1)
    assert first.version != second.version
    assert list(verify(first)) == list(verify(second)) == []


@pytest.mark.slow
def test_blip2_captions_a_corpus(tmp_path):
    checkpoint = save_tiny_blip2(tmp_path / "blip2")
    config = a_corpus(tmp_path / "corpus", num_pictures=3, num_packs=1)
    blip2 = f'captioner = "blip2"\nmodel = "{checkpoint}"\nnum_beams = 1\nmax_new_tokens = 4'
    config.write_text(config.read_text().replace('captioner = "source-text"', blip2))
    release = build(str(config), workers=1)
    assert release.manifest.counts["admitted"] == 3
    assert release.manifest.instruments["captions"].startswith("blip2-")
    assert len(captions_of(release)) == 3
    assert all(captions_of(release).values())


@pytest.mark.slow
def test_a_widened_policy_fetches_only_what_is_new(tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    narrow = POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC-BY"]')
    (tmp_path / "policy.toml").write_text(narrow)
    metadata = tmp_path / "metadata.tsv"
    first, rest = metadata.read_text().split("\n", 1)
    share_alike = first.replace("/by/4.0/", "/by-sa/4.0/").replace("Attribution", "Attribution-ShareAlike")
    metadata.write_text(f"{share_alike}\n{rest}")
    first = build(str(config), workers=1)
    (tmp_path / "policy.toml").write_text(POLICY)
    second = build(str(config), workers=1)
    assert (first.manifest.counts["admitted"], second.manifest.counts["admitted"]) == (3, 4)
    segments = [name.split(".")[1] for name in second.store.files("packs", suffix=".tar")]
    assert segments == ["000", "001"]
    assert read_index(second.store, "test-00000").num_rows == 4


def test_img2dataset_columns_and_stats_describe_a_pack(small):
    _, release = small
    index = read_index(release.store, "test-00000")
    assert index.column_names[:5] == ["url", "key", "status", "error_message", "width"]
    stats = release.store.read_text("packs/test-00000.000_stats.json")
    assert f'"successes":{pc.sum(pc.equal(index["status"], "success")).as_py()}' in stats
