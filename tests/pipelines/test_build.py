"""The build from end to end, over real HTTP, with real Beam: what it promises, and what bad input makes of it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import webdataset as wds
from PIL import Image

from catalog.errors import ConfigError, CorpusError, SourceError, StorageError
from catalog.manifest import shard_table_path
from catalog.packs import read_index
from catalog.storage import Store
from pipelines.measures import caption_facts
from pipelines.run import build
from pipelines.verify import verify
from tests.builders import (
    POLICY,
    CountingRunner,
    a_corpus,
    a_picture,
    a_server,
    a_yfcc_line,
    encoded,
    tree_digest,
    write_corpus,
)
from tests.captioning.test_blip2 import save_tiny_checkpoint

pytestmark = pytest.mark.beam


def _captions(release):
    tables = [release.store.read_table(shard_table_path(shard.name)) for shard in release.manifest.shards]
    return {row["record_id"]: row["caption"] for table in tables for row in table.to_pylist()}


def _verdicts(release):
    store = release.store
    names = store.files(f"{release.path}/verdicts")
    rows = [row for name in names for row in store.read_table(f"{release.path}/verdicts/{name}").to_pylist()]
    return {row["record_id"]: row for row in rows}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return the config and the release of a small corpus, built once; tests must not change it."""
    config = a_corpus(tmp_path_factory.mktemp("small"))
    return config, build(str(config), workers=1)


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


def _kill_when(command, is_there):
    """Run a build and kill -9 its main process, and no other, as soon as `is_there()`."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not is_there() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_release(small, tmp_path):
    _, release = small
    config = a_corpus(tmp_path)
    corpus = tmp_path / "corpus"
    command = [sys.executable, "-m", "cli.main", "build", str(config), "--workers", "2"]
    for what in ("judgements/claims/*", "packs/*.tar", "facts/hashes/*/*", "facts/captions/*/*", "shards/*.tar"):
        _kill_when(command, lambda what=what: any(corpus.glob(what)))
    again = build(str(config), workers=1)
    assert again.version == release.version
    assert list(verify(again)) == []


def test_what_may_pass_is_asked_again_and_what_is_settled_is_not(tmp_path):
    picture = encoded(a_picture(1))
    answers = {"/good": (200, "image/jpeg", picture), "/busy": (503, "text/html", b"")}
    with a_server(answers) as (base, asked):
        lines = [a_yfcc_line(path, f"{base}/{path}") for path in ("good", "busy", "gone", "always-busy")]
        answers["/always-busy"] = answers["/busy"]
        config = str(write_corpus(tmp_path, lines))
        build(config, workers=1)
        answers["/busy"] = (200, "image/jpeg", encoded(a_picture(2)))
        for _ in range(4):
            release = build(config, workers=1)
    counts = {path: asked.count(path) for path in ("/good", "/busy", "/gone", "/always-busy")}
    assert counts == {"/good": 1, "/busy": 2, "/gone": 1, "/always-busy": 3}
    assert release.manifest.counts["admitted"] == 2


def test_a_corrected_title_is_captioned_anew_and_nothing_is_fetched_again(tmp_path):
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1)))}) as (base, asked):
        config = str(write_corpus(tmp_path, [a_yfcc_line("a", f"{base}/a", title="teh fox")]))
        build(config, workers=1)
        metadata = tmp_path / "metadata.tsv"
        metadata.write_text(metadata.read_text().replace("teh fox", "the fox"))
        release = build(config, workers=1)
    assert asked == ["/a"]
    assert _captions(release) == {"test:a": "the fox"}


def test_a_deleted_shard_is_written_again(tmp_path):
    config = str(a_corpus(tmp_path, num_pictures=2, num_packs=1))
    release = build(config, workers=1)
    for path in (tmp_path / "corpus/shards").glob("*.tar"):
        path.unlink()
    assert list(verify(build(config, workers=1))) == []
    assert release.manifest.counts["admitted"] == 2


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
    checkpoint = save_tiny_checkpoint(tmp_path / "blip2")
    config = a_corpus(tmp_path / "corpus", num_pictures=3, num_packs=1)
    blip2 = f'captioner = "blip2"\nmodel = "{checkpoint}"\nnum_beams = 1\nmax_new_tokens = 4'
    config.write_text(config.read_text().replace('captioner = "source-text"', blip2))
    release = build(str(config), workers=1)
    assert release.manifest.counts["admitted"] == 3
    assert release.manifest.instruments["captions"].startswith("blip2-")
    assert len(_captions(release)) == 3
    assert all(_captions(release).values())


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


BAD_ELEMENTS = {
    "/good": (200, "image/jpeg", encoded(a_picture(1))),
    "/lies": (200, "image/jpeg", b"<html>not a picture</html>"),
    "/truncated": (200, "image/jpeg", encoded(a_picture(2))[:900]),
    "/one-pixel": (200, "image/png", encoded(a_picture(3, size=(1, 1)), "PNG")),
    "/wide": (200, "image/png", encoded(a_picture(4, size=(20_000, 40)), "PNG")),
}


ROTATED = Image.Exif()
ROTATED[0x0112] = 6
FRAMES = [a_picture(seed).convert("P") for seed in (24, 25)]
ODD_ELEMENTS = {
    "/cmyk": encoded(a_picture(20).convert("CMYK")),
    "/sixteen-bit": encoded(Image.fromarray(np.asarray(a_picture(21).convert("L"), np.uint16) * 257), "PNG"),
    "/transparent": encoded(a_picture(22).convert("RGBA").rotate(30), "PNG"),
    "/rotated": encoded(a_picture(23), exif=ROTATED),
    "/animated": encoded(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:]),
}


def test_an_odd_picture_is_a_picture(tmp_path):
    with a_server({path: (200, "image/jpeg", data) for path, data in ODD_ELEMENTS.items()}) as (base, _):
        lines = [a_yfcc_line(path[1:], base + path) for path in ODD_ELEMENTS]
        release = build(str(write_corpus(tmp_path, lines)), workers=1)
    assert release.manifest.counts["admitted"] == len(ODD_ELEMENTS)
    sizes = {
        row["record_id"]: (row["width"], row["height"]) for row in read_index(release.store, "test-00000").to_pylist()
    }
    assert sizes["test:rotated"] == (64, 96)


def test_a_bad_element_becomes_a_row_with_an_outcome(tmp_path):
    with a_server(BAD_ELEMENTS) as (base, _):
        lines = [a_yfcc_line(path[1:], base + path) for path in (*BAD_ELEMENTS, "/gone", "/hangs", "/cut-off")]
        lines += [
            a_yfcc_line("no-license", f"{base}/good", licensename="", licenseurl=""),
            a_yfcc_line("no-creator", f"{base}/good", unickname=""),
            a_yfcc_line("file-url", "file:///etc/passwd"),
            a_yfcc_line("controls", f"{base}/good", title="a%00b%0Ac%1B[31m"),
            a_yfcc_line("long", f"{base}/good", title="word+" * 2000),
            "three\tbad\tcolumns",
        ]
        release = build(str(write_corpus(tmp_path, lines)), workers=1)
    assert {key.removeprefix("test:"): list(row["reasons"]) for key, row in _verdicts(release).items()} == {
        "good": ["duplicate:same-bytes"],
        "lies": ["fetch:not-an-image"],
        "truncated": ["fetch:damaged"],
        "one-pixel": ["image:too-small"],
        "wide": ["image:too-long"],
        "gone": ["fetch:http-error"],
        "hangs": ["fetch:timeout"],
        "cut-off": ["fetch:unreachable"],
        "no-license": ["license:LicenseRef-missing"],
        "no-creator": ["creator:missing"],
        "file-url": ["fetch:bad-url"],
        "controls": [],
        "long": ["duplicate:same-bytes"],
    }
    assert _captions(release) == {"test:controls": "a b c [31m"}
    facts = caption_facts(release.store, release.manifest.instruments["captions"]).read("test-00000")
    longest = max(facts["text"].to_pylist(), key=len)
    assert longest.startswith("word word")
    assert len(longest) <= 300
    assert list(verify(release)) == []
    (unreadable,) = (n for n in release.store.files("records/test") if "unreadable" in n)
    assert release.store.read_table(f"records/test/{unreadable}")["place"].to_pylist() == ["line 14"]


def test_img2dataset_columns_and_stats_describe_a_pack(small):
    _, release = small
    index = read_index(release.store, "test-00000")
    assert index.column_names[:5] == ["url", "key", "status", "error_message", "width"]
    stats = release.store.read_text("packs/test-00000.000_stats.json")
    assert f'"successes":{pc.sum(pc.equal(index["status"], "success")).as_py()}' in stats


@pytest.mark.parametrize("lines", [[], [a_yfcc_line("1", "http://127.0.0.1:9/a", licenseurl="", licensename="")]])
def test_an_empty_release_is_an_error_that_says_why(tmp_path, lines):
    with pytest.raises(CorpusError, match="would be empty: .*(the sources are empty|LicenseRef-missing \\(1\\))"):
        build(str(write_corpus(tmp_path, lines)), workers=1)


def test_a_missing_source_file_stops_the_build(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "metadata.tsv").unlink()
    with pytest.raises(SourceError, match="no source file at"):
        build(str(config), workers=1)


@pytest.mark.slow
def test_an_error_in_a_worker_process_is_one_line_too(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "metadata.tsv").unlink()
    with pytest.raises(SourceError) as caught:
        build(str(config), workers=2)
    assert "\n" not in str(caught.value)


def test_an_unknown_key_is_told_with_the_known_ones(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    config.write_text(config.read_text() + "\n[pixels]\nimagesize = 64\n")
    with pytest.raises(
        ConfigError, match=r"unknown key 'imagesize' in \[pixels\]; known keys: downscale_interpolation, "
    ):
        build(str(config), workers=1)


def test_pixel_settings_cannot_change_under_a_corpus(tmp_path):
    config = a_corpus(tmp_path, num_pictures=2)
    build(str(config), workers=1)
    config.write_text(config.read_text() + "\n[pixels]\nimage_size = 64\n")
    with pytest.raises(ConfigError, match=r"\[pixels\] differs from .*; name a new root"):
        build(str(config), workers=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_stops_the_build_and_nothing_is_lost(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48k", "tmpfs", str(disk)], check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        config = a_corpus(tmp_path, num_pictures=40, num_packs=4, root=str(disk / "corpus"))
        with pytest.raises(StorageError, match="no space left to write .*; free some and run the same command again"):
            build(str(config), workers=1)
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        release = build(str(config), workers=1)
        assert list(verify(release)) == []
        assert release.manifest.counts["admitted"] == 40
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_bucket_holds_the_same_release(small, s3_root, tmp_path):
    _, release = small
    config = str(a_corpus(tmp_path, root=s3_root))
    there = build(config, workers=1)
    assert there.version == release.version
    assert list(verify(there)) == []
    assert build(config, workers=1).version == release.version


def test_in_a_bucket_of_several_writers_one_wins(s3_root):
    one, other = Store(s3_root), Store(f"{s3_root}/")
    assert one.files("a") == []
    assert other.write_new("a/b", b"first")
    assert one.files("a") == ["b"]
    assert not one.write_new("a/b", b"second")
    assert one.read_bytes("a/b") == b"first"


def test_a_missing_bucket_is_told(s3_root):
    with pytest.raises(StorageError, match="cannot write s3://nowhere/a"):
        Store("s3://nowhere").write_bytes("a", b"")


def test_missing_credentials_are_told(s3_root, monkeypatch):
    import fsspec

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    fsspec.get_filesystem_class("s3").clear_instance_cache()
    with pytest.raises(StorageError, match=r"cannot (reach|write) s3://corpora/a"):
        Store("s3://corpora").write_bytes("a", b"")


def test_another_runner_needs_no_change_of_code(tmp_path):
    runs = CountingRunner.runs
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1)))}) as (base, _):
        config = write_corpus(tmp_path, [a_yfcc_line("a", f"{base}/a")])
        config.write_text(config.read_text().split("[serve]")[0])
        release = build(str(config), beam_args=["--runner=tests.builders.CountingRunner"])
    assert CountingRunner.runs == runs + 1
    assert list(verify(release)) == []


def test_loopback_is_not_served_to_another_runner(tmp_path):
    with pytest.raises(ConfigError, match=r"\[serve\] answers on this machine's loopback"):
        build(str(a_corpus(tmp_path, num_pictures=1)), beam_args=["--runner=tests.builders.CountingRunner"])


def test_two_builds_do_not_share_a_corpus(tmp_path):
    import fcntl

    config = a_corpus(tmp_path, num_pictures=1)
    (tmp_path / "corpus").mkdir()
    with Path(tmp_path / "corpus" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(CorpusError, match="another build or takedown is at work"):
            build(str(config), workers=1)
