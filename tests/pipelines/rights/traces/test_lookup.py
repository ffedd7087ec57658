"""Whatever one may know of a picture finds its records, in every run and every pack, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from byline.catalog.corpora.packs import read_images, read_index, write_segment
from byline.catalog.corpora.parts import parts_of, write_records
from byline.catalog.corpora.records import records_table
from byline.catalog.corpora.url_index import (
    URL_COLUMNS,
    URL_INDEX_SCHEMA,
    renew_url_index,
    row_groups_of,
    url_index_path,
)
from byline.catalog.digests import sha256_hex
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.catalog.errors import BylineError
from byline.catalog.urls import with_scheme
from byline.pipelines.beam.build import build
from byline.pipelines.rights.traces.lookup import (
    find_creator,
    find_domain,
    find_picture,
    find_record,
    find_sha256,
    find_url,
)
from byline.pipelines.rights.traces.scanning import all_parts
from tests.builders import a_record, a_yfcc_line, encoded, write_corpus

PHOTOGRAPHS = sorted((Path(__file__).parents[4] / "samples/photographs").glob("lomiri-*.jpg"))[:8]
SOURCE = "web-photos"


def _lines(photographs):
    for number, path in enumerate(photographs):
        page = f"https://www.Example.org/page/{number}/"
        yield a_yfcc_line(str(number), f"https://pictures.example/{path.name}", pageurl=page)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return a corpus of photographs and two flat pictures, of a source whose name has a hyphen, with two runs."""
    folder = tmp_path_factory.mktemp("lookup")
    lines = list(_lines(PHOTOGRAPHS))
    for number, gray in (("flat-1", 128), ("flat-2", 200)):
        lines.append(a_yfcc_line(number, f"https://pictures.example/{number}.png", unickname="Zo%C3%AB"))
        (folder / "pictures").mkdir(exist_ok=True)
        (folder / f"pictures/{number}.png").write_bytes(_flat(gray))
    lines.insert(0, a_yfcc_line("broken", "https://pictures.example/broken.jpg", unickname="Somebody"))
    (folder / "pictures/broken.jpg").write_bytes(b"no picture")
    config = write_corpus(folder, lines, num_packs=3)
    config.write_text(config.read_text().replace('name = "test"', f'name = "{SOURCE}"'))
    for path in PHOTOGRAPHS:
        (folder / "pictures" / path.name).write_bytes(path.read_bytes())
    build(str(config), workers=1)
    changed = a_yfcc_line("0", f"https://pictures.example/{PHOTOGRAPHS[0].name}", title="renamed")
    (folder / "metadata.tsv").write_text("".join(line + "\n" for line in [changed, lines[0], *lines[2:-1]]))
    build(str(config), workers=1)
    return Store(str(folder / "corpus"))


def _flat(gray):
    return encoded(Image.new("RGB", (80, 60), (gray, gray, gray)), "PNG")


def _ids(*numbers):
    return sorted(f"{SOURCE}:{number}" for number in numbers)


@pytest.mark.slow
def test_every_record_is_found_by_id_in_the_pack_that_holds_it(store):
    for record_id in _ids(*range(len(PHOTOGRAPHS)), "flat-1", "flat-2"):
        ((found, part),) = find_record(store, record_id).items()
        assert found == record_id
        assert record_id in part.read_records(store, ["record_id"])["record_id"].to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("record_id", ["web-photos:99", "other:0", "../web-photos:0", "", ":0", "web-photos"])
def test_what_is_no_record_is_not_found(store, record_id):
    assert find_record(store, record_id) == {}


def test_of_two_runs_the_newest_that_was_released_is_given(store):
    parts = all_parts(store)
    assert len({part.records_path for part in parts}) == 2
    newest = parts[0].records_path
    (part,) = find_record(store, f"{SOURCE}:0").values()
    assert part.records_path == newest
    assert "renamed" in part.read_records(store, ["title"])["title"].to_pylist()
    (only_before,) = find_record(store, f"{SOURCE}:flat-2").values()
    assert only_before.records_path != newest


@pytest.mark.parametrize(
    "url",
    [
        "https://www.Example.org/page/3/",
        "http://www.example.org/page/3",
        "HTTPS://WWW.EXAMPLE.ORG/page/3/",
        f"http://pictures.example/{PHOTOGRAPHS[3].name}",
        f" https://ｐictures.example:443/x/%2e%2e/%{ord(PHOTOGRAPHS[3].name[0]):x}{PHOTOGRAPHS[3].name[1:]}#top\n",
        "http://www.example.org./page//../%33",
    ],
)
@pytest.mark.parametrize("indexed", [True, False])
def test_a_record_is_found_by_the_url_of_picture_or_page(store, url, indexed, monkeypatch):
    if not indexed:
        monkeypatch.setattr("byline.pipelines.rights.traces.lookup.row_groups_of", lambda *_: None)
    assert list(find_url(store, url)) == _ids(3)


@pytest.mark.parametrize(
    "url", ["https://www.example.org/PAGE/3", "https://www.example.org/page/3?x", "https://example.org/page/3", ""]
)
def test_another_url_finds_nothing(store, url):
    assert find_url(store, url) == {}


def test_the_url_index_names_the_row_group_of_every_url_of_a_hundred_thousand(tmp_path):
    store, path = Store(str(tmp_path)), "records/test/1.parquet"
    url = "https://{}.example/{}"
    records = [a_record(id=str(n), url=url.format("a", n), landing_url=url.format("b", n // 3)) for n in range(50_000)]
    write_records(store, path, records_table(records, num_packs=7))
    groups = {part.row_group: part.read_records(store, ["url", "landing_url"]) for part in parts_of(store, path)}
    for number, group in groups.items():
        for name in ("url", "landing_url"):
            for one in group[name].to_pylist()[::500]:
                assert number in row_groups_of(store, path, one)
    assert row_groups_of(store, path, url.format("a", 50_000)) == []
    assert len(find_url(store, url.format("b", 77))) == 3
    assert store.size_bytes(url_index_path(path)) < 20 * 100_000


def test_a_picture_is_found_by_the_digest_of_its_bytes_as_fetched_and_as_stored(store):
    assert list(find_sha256(store, sha256_hex(PHOTOGRAPHS[2].read_bytes()).upper())) == _ids(2)
    part = find_record(store, f"{SOURCE}:2")[f"{SOURCE}:2"]
    index = read_index(store, part.pack)
    row = next(row for row in index.to_pylist() if row["record_id"] == f"{SOURCE}:2")
    assert row["sha256"] != row["stored_sha256"]
    assert list(find_sha256(store, row["stored_sha256"])) == _ids(2)
    ((_, stored),) = read_images(store, index, only=[row["sha256"]])
    assert find_picture(store, stored)[f"{SOURCE}:2"] == (part, 0, "upright")
    assert find_sha256(store, "0" * 64) == {}


def test_a_picture_in_other_files_with_equal_pixels_is_found_at_distance_0(store):
    with Image.open(PHOTOGRAPHS[1]) as image:
        copy = encoded(image.convert("RGB"), "PNG")
    ((record_id, (part, distance, _)),) = find_picture(store, copy, radius_bits=0).items()
    assert (record_id, distance) == (f"{SOURCE}:1", 0)
    assert part == find_record(store, record_id)[record_id]


@pytest.mark.parametrize(
    ("scale", "quality", "radius_bits"), [(1.0, 50, 12), (2.0, 50, 12), (0.5, 95, 12), (1.0, 30, 31), (0.5, 75, 31)]
)
def test_reencoded_and_resized_copies_are_found_and_no_other_picture(store, scale, quality, radius_bits):
    for number, path in enumerate(PHOTOGRAPHS):
        with Image.open(path) as image:
            size = [round(side * scale) for side in image.size]
            copy = encoded(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), quality=quality)
        found = find_picture(store, copy, radius_bits)
        assert list(found) == _ids(number)
        assert 0 <= found[f"{SOURCE}:{number}"][1] <= radius_bits


@pytest.mark.parametrize(
    ("changed", "view"),
    [
        (ImageOps.mirror, "turned"),
        (lambda image: image.transpose(Image.Transpose.ROTATE_90), "turned"),
        (lambda image: ImageOps.expand(image, 24, "white"), "trimmed"),
        (lambda image: ImageOps.expand(ImageOps.mirror(image), 24, "white"), "trimmed and turned"),
    ],
)
def test_mirrored_turned_and_framed_copies_are_found_and_say_how(store, changed, view):
    with Image.open(PHOTOGRAPHS[2]) as image:
        copy = encoded(changed(image.convert("RGB")), quality=90)
    ((record_id, found),) = find_picture(store, copy).items()
    assert (record_id, found.view) == (f"{SOURCE}:2", view)


def test_a_flat_picture_is_found_by_equal_pixels_only(store):
    bmp = encoded(Image.new("RGB", (80, 60), (128, 128, 128)), "BMP")
    assert list(find_picture(store, bmp, radius_bits=256)) == _ids("flat-1")
    assert find_picture(store, _flat(129), radius_bits=256) == {}
    with Image.open(PHOTOGRAPHS[0]) as image:
        everything = find_picture(store, encoded(image.convert("RGB"), quality=50), radius_bits=256)
    assert list(everything) == _ids(*range(len(PHOTOGRAPHS)))


def test_bytes_that_are_no_picture_are_an_error(store):
    with pytest.raises(BylineError, match="no picture that byline can read"):
        find_picture(store, b"<svg/>")


def test_a_creator_is_found_by_name_in_any_case_and_by_nothing_else(store):
    assert list(find_creator(store, " ada l. ")) == _ids(*range(len(PHOTOGRAPHS)))
    assert list(find_creator(store, "Zoe\u0308")) == _ids("flat-1", "flat-2")
    assert find_creator(store, "Ada") == {}


def test_a_creator_is_found_by_page(tmp_path):
    store, path = Store(str(tmp_path)), "records/test/1.parquet"
    records = [a_record(id=str(n), creator_url=f"https://a.org/{n}/") for n in range(3)] + [a_record(id="9")]
    write_records(store, path, records_table(records, num_packs=2))
    assert list(find_creator(store, "http://a.org/1")) == ["test:1"]


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("b.org", ["test:1", "test:2", "test:3", "test:4"]),
        ("A.b.org.", ["test:2", "test:4"]),
        ("org", ["test:1", "test:2", "test:3", "test:4", "test:5"]),
        ("b", []),
        (".", []),
        ("1.jpg", []),
    ],
)
def test_a_domain_finds_its_hosts_and_those_below(tmp_path, host, found):
    urls = {
        "1": ("https://B.org/1.jpg", None),
        "2": ("ftp://user:b.com@a.b.org:80?x", None),
        "3": ("https://c.com/1.jpg", "http://b.org"),
        "4": ("https://c.com/1.jpg", "http://x.a.b.org/"),
        "5": ("https://bb.org/b.org/a.b.org", "https://c.com/?u=https://b.org/"),
        "6": ("https://b.org.evil.com/", None),
        "7": ("b.org/no-scheme", None),
    }
    records = [a_record(id=id, url=url, landing_url=page) for id, (url, page) in urls.items()]
    store = Store(str(tmp_path))
    write_records(store, "records/test/1.parquet", records_table(records, num_packs=2))
    assert list(find_domain(store, host)) == found


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("b\u00fccher.example", ["test:1", "test:2", "test:3"]),
        ("XN--BCHER-KVA.example.", ["test:1", "test:2", "test:3"]),
        ("img.b\u00dcCHER.example", ["test:2"]),
        ("\uff41.org", ["test:4", "test:5"]),
        ("127.0.0.1", ["test:6"]),
        ("0x7f.1", ["test:6"]),
        ("1", []),
    ],
)
def test_a_domain_finds_its_hosts_however_they_are_written(tmp_path, host, found):
    urls = [
        "https://b\u00fccher.example/1.jpg",
        "https://img.xn--bcher-kva.example:8080/1.jpg",
        "https://me:pw@B%C3%BCCHER.example/1.jpg",
        "https://\uff21.org/1.jpg",
        "https://%61.org/1.jpg",
        "http://127.1/1.jpg",
        "http://[1::2::3]/1.jpg",
    ]
    records = [a_record(id=str(number), url=url) for number, url in enumerate(urls, 1)]
    store = Store(str(tmp_path))
    write_records(store, "records/test/1.parquet", records_table(records, num_packs=2))
    assert list(find_domain(store, host)) == found


def _index_made_with(metadata):
    rows = pa.table({"url_hash": [1], "row_group": [0]}).cast(URL_INDEX_SCHEMA)
    return parquet_bytes(rows.replace_schema_metadata(metadata or None))


RECORDED = "https://A.org/wiki/../caf%c3%a9%20%28x%29.jpg?u=%2f"


@pytest.mark.parametrize(
    "shown",
    [
        "http://a.org:80/caf\u00e9 (x).jpg?u=/#file",
        "https://a.org/caf%C3%A9%20(x).jpg?u=%2F",
        "https://a.org/caf\u00e9%20%28x).jpg?u=/",
        "https://a.org./caf%c3%a9 %28x%29.jpg?u=%2f",
        "a.org/caf\u00e9 (x).jpg?u=/#file",
        "//A.org:443/wiki/../caf%C3%A9%20(x).jpg?u=%2F",
    ],
)
@pytest.mark.parametrize("before", [None, b"damaged", {b"byline:url_key": b"1"}, {}])
def test_a_url_as_a_browser_shows_it_finds_the_record_whatever_the_index_was_made_with(tmp_path, shown, before):
    store, path = Store(str(tmp_path)), "records/test/1.parquet"
    write_records(store, path, records_table([a_record(url=RECORDED), a_record(id="2")], num_packs=2))
    if before is not None:
        data = before if isinstance(before, bytes) else _index_made_with(before)
        store.write_bytes(url_index_path(path), data)
        assert row_groups_of(store, path, shown) is None
    assert list(find_url(store, shown)) == ["test:1"]
    renew_url_index(store, path, (part.read_records(store, list(URL_COLUMNS)) for part in parts_of(store, path)))
    assert row_groups_of(store, path, with_scheme(shown)) == row_groups_of(store, path, RECORDED) != []
    assert list(find_url(store, shown)) == ["test:1"]


def test_a_record_is_found_by_the_url_that_it_led_to(tmp_path):
    store = Store(str(tmp_path))
    write_records(store, "records/test/1.parquet", records_table([a_record(), a_record(id="2")], num_packs=1))
    row = {"record_id": "test:2", "url": "http://example.org/2.jpg", "key": "", "status": "failed_to_download"}
    row |= {"outcome": "http-error", "final_url": "https://cdn.example/%7Eada/2.jpg"}
    write_segment(store, "test-00000", [(row, None)], {})
    assert list(find_url(store, "http://CDN.example/~ada/2.jpg#x")) == ["test:2"]


def test_a_record_is_found_without_settings_though_the_last_packs_are_empty(tmp_path):
    store = Store(str(tmp_path))
    write_records(store, "records/test/1.parquet", records_table([a_record(id="1")], num_packs=50))
    assert list(find_record(store, "test:1")) == ["test:1"]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="counts threads by Linux' /proc")
def test_lookups_leave_no_thread_of_arrow_that_could_abort_a_short_process(tmp_path):
    path = "records/test/1.parquet"
    write_records(Store(str(tmp_path)), path, records_table([a_record(id="1")], num_packs=1))
    script = f"""
import os
import time
import pyarrow.compute as pc
from byline.catalog.disk.storage import Store, parquet_bytes
from byline.pipelines.rights.traces.lookup import find_record, find_url
pc.add(1, 1)
before = len(os.listdir("/proc/self/task"))
store = Store({str(tmp_path)!r})
assert find_record(store, "test:1") and find_url(store, "http://example.org/1.jpg") and store.read_table({path!r})
end = time.monotonic() + 5
while (more := len(os.listdir("/proc/self/task")) - before) > 0 and time.monotonic() < end:
    time.sleep(0.01)  # our own threads are joined, and soon gone
print(max(more, 0))
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])}
    told = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "0\n"


def test_lookups_work_on_an_object_store():
    store = Store("memory://lookup")
    records = [a_record(id=str(n), url=f"https://a.org/{n}", creator="Ada") for n in range(5)]
    write_records(store, "records/test/1.parquet", records_table(records, num_packs=2))
    assert list(find_url(store, "http://a.org/3")) == list(find_record(store, "test:3")) == ["test:3"]
    assert len(find_creator(store, "ada")) == len(find_domain(store, "a.org")) == 5


def test_an_empty_source_is_searched_too(tmp_path):
    store = Store(str(tmp_path))
    write_records(store, "records/test/1.parquet", records_table([], num_packs=2))
    assert find_url(store, "https://a.org") == find_record(store, "test:1") == find_domain(store, "a.org") == {}


def test_a_file_that_was_no_picture_is_found_by_its_bytes(store):
    assert [one.distance_bits for one in find_picture(store, b"no picture").values()] == [0]
    assert list(find_picture(store, b"no picture")) == _ids("broken")
