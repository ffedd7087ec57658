"""Whatever is left of a removed picture is found, wherever it lies; what another picture shares is told apart."""

import io
import random

import pytest
from PIL import Image

from byline.catalog.disk.storage import Store
from byline.catalog.disk.tars import write_tar
from byline.catalog.errors import StorageError
from byline.pipelines.rights.takedown import contents
from byline.pipelines.rights.takedown.scan import Scan, fingerprints
from byline.pipelines.rights.takedown.windows import Matcher
from tests.builders import encoded
from tests.pipelines.rights.takedown.leftovers import DATA, KEY, SAMPLES, VICTIM, a_twin, found_in, hits_in, noise, put


def _tar(**members):
    sink = io.BytesIO()
    write_tar(sink, [(name.replace("_", "."), data) for name, data in members.items()])
    return sink.getvalue()


def test_nothing_is_found_where_nothing_is_left(tmp_path):
    put(tmp_path, "packs/a.tar", noise(100_000))
    assert hits_in(tmp_path) == []


def test_a_scan_for_nothing_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no fingerprints"):
        hits_in(tmp_path, b"tiny")


def test_a_missing_root_is_an_error(tmp_path):
    with pytest.raises(StorageError, match="nowhere"):
        hits_in(tmp_path / "nowhere")


@pytest.mark.parametrize("offset", [0, 1, 63, 64, 1009])
def test_a_run_is_found_at_odd_offsets(tmp_path, offset):
    put(tmp_path, "a.bin", noise(offset) + DATA[301:428] + noise(500, 1))
    (hit,) = hits_in(tmp_path)
    assert (hit.kind, hit.num_windows) == ("left", 1)
    assert offset <= hit.offset <= offset + 63
    assert hit.where == f"a.bin at byte {hit.offset}"


@pytest.mark.parametrize(
    "path", [".partial/123/tmpabc", "a/b/c/d.json", "corpus.lock", "a/.lock", "LATEST", "x.parquet"]
)
def test_every_file_is_read(tmp_path, path):
    put(tmp_path, path, noise(99) + DATA[:200])
    assert found_in(tmp_path) == [(path, "left")]


def test_only_the_lock_is_skipped(tmp_path):
    put(tmp_path, ".lock", DATA)
    assert hits_in(tmp_path) == []


def test_links_are_followed_and_loops_end(tmp_path):
    put(tmp_path, "elsewhere/a.bin", DATA)
    (tmp_path / "corpus/deep").mkdir(parents=True)
    (tmp_path / "corpus/shards").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus/one.bin").symlink_to(tmp_path / "elsewhere/a.bin")
    (tmp_path / "corpus/deep/up").symlink_to(tmp_path / "corpus")
    (tmp_path / "corpus/broken").symlink_to(tmp_path / "nothing")
    assert found_in(tmp_path / "corpus") == [("one.bin", "left"), ("shards/a.bin", "left")]


def test_an_object_store_is_read(tmp_path):
    store = Store("memory://takedown-scan")
    for path in ("a.bin", "packs/deep/b.bin"):
        store.write_bytes(path, noise(7) + DATA[:500])
    assert found_in(store.root) == [("a.bin", "left"), ("packs/deep/b.bin", "left")]


@pytest.mark.parametrize("cut", [1, 62, 63, 64, 65, 126])
def test_a_run_across_the_border_of_blocks_is_found_once(tmp_path, monkeypatch, cut):
    monkeypatch.setattr(contents, "BLOCK_BYTES", 1024)
    put(tmp_path, "a.bin", noise(2048 - cut) + DATA[64:191] + noise(1500, 1))
    (hit,) = hits_in(tmp_path)
    assert hit.num_windows == 1


def test_what_was_read_is_counted_and_told(tmp_path):
    put(tmp_path, "a.bin", noise(1000))
    put(tmp_path, "b/c.bin", b"")
    told = []
    search = Scan(
        store=Store(str(tmp_path)),
        matcher=Matcher(fingerprints(VICTIM, KEY), KEY),
        is_kept=set().__contains__,
        is_kept_key=set().__contains__,
        progress=lambda path, size: told.append((path, size)),
    )
    assert list(search.hits()) == []
    assert (search.num_files, search.num_bytes, told) == (2, 1000, [("a.bin", 1000)])


def test_a_thousand_random_runs_are_all_found(tmp_path):
    draw = random.Random(7)
    for number in range(1000):
        size = draw.randint(127, 2000)
        start = draw.randint(0, len(DATA) - 2 - size)
        put(tmp_path, f"{number}.bin", draw.randbytes(draw.randint(0, 200)) + DATA[start : start + size])
    assert len({path for path, kind in found_in(tmp_path) if kind == "left"}) == 1000


def test_a_whole_kept_picture_in_a_tar_is_shared_and_a_cut_copy_is_left(tmp_path):
    victim, other = a_twin()
    put(tmp_path, "packs/a.tar", _tar(other_jpg=other, text_txt=b"x"))
    put(tmp_path, "packs/b.tar", _tar(cut_jpg=victim[:3000], other_jpg=other))
    put(tmp_path, "packs/c.tar", _tar(cut_jpg=other[:3000]))
    hits = hits_in(tmp_path, victim, kept=[other])
    assert [(hit.path[6], hit.inside, hit.kind) for hit in hits] == [
        ("a", "other.jpg", "shared"),
        ("b", "cut.jpg", "left"),
        ("b", "other.jpg", "shared"),
        ("c", "cut.jpg", "left"),
    ]
    assert {kind for _, kind in found_in(tmp_path, victim)} == {"left"}, "nothing is shared with what is not kept"


def test_what_lies_between_members_or_in_a_cut_tar_is_left(tmp_path):
    victim, other = a_twin()
    whole = bytearray(_tar(a_jpg=b"", b_jpg=other))
    whole[-200:] = DATA[:200]
    put(tmp_path, "a.tar", bytes(whole))
    put(tmp_path, "b.tar", _tar(b_jpg=other)[:-11_000])
    assert found_in(tmp_path, victim, kept=[other]) == [("a.tar", "shared"), ("a.tar", "left"), ("b.tar", "left")]


def test_a_loose_picture_is_told_from_the_same_with_a_byte_more(tmp_path):
    victim, other = a_twin()
    put(tmp_path, "a.jpg", other)
    put(tmp_path, "b.jpg", other + b"x")
    assert found_in(tmp_path, victim, kept=[other]) == [("a.jpg", "shared"), ("b.jpg", "left")]


def test_unrelated_pictures_raise_no_alarm(tmp_path):
    """Of 600 real pictures 200 are removed. Those that draw alike share runs with them; nothing else is found."""
    paths = sorted(SAMPLES.glob("drawings/*.png"))[::7] + sorted(SAMPLES.glob("photographs/*.jpg"))[:200]
    pictures = sorted({_stored(path) for path in paths})
    victims = random.Random(3).sample(pictures, 200)
    others = sorted(set(pictures) - set(victims))
    with open(tmp_path / "pack.tar", "wb") as file:
        write_tar(file, ((f"{number}.jpg", data) for number, data in enumerate(others)))
    hits = hits_in(tmp_path, *victims, kept=others)
    assert {hit.kind for hit in hits} == {"shared"}
    assert len(hits) < len(others) / 3
    assert all(fingerprints(data, KEY).size for data in pictures), "each picture can be searched for"


def _stored(path):
    with Image.open(path) as image:
        rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    white.thumbnail((256, 256))
    return encoded(white.convert("RGB"), quality=95)
