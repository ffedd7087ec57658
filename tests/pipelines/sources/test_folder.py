"""A folder of real pictures: what stands beside them, what they say themselves, and what must not be read."""

import io
import json
import os
import re
from pathlib import Path

import pytest
from PIL import Image, TiffImagePlugin

from catalog.errors import SourceError
from catalog.licenses import read_claims
from catalog.records import ImageRecord, LeftOut, UnreadableRow, records_table
from pipelines.fetching.held import read_held
from pipelines.sources.folder import read_folder
from pipelines.sources.options import ReadOptions
from tests.builders import a_picture, encoded

PHOTOGRAPHS = Path(__file__).parents[3] / "samples" / "photographs"
SPACES = {
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmpRights": "http://ns.adobe.com/xap/1.0/rights/",
    "cc": "http://creativecommons.org/ns#",
    "photoshop": "http://ns.adobe.com/photoshop/1.0/",
    "plus": "http://ns.useplus.org/ldf/xmp/1.0/",
    "xmpMM": "http://ns.adobe.com/xap/1.0/mm/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
}
BY_4 = "https://creativecommons.org/licenses/by/4.0/"
WHOLE = f"""
<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Bob</rdf:li></rdf:Seq></dc:creator>
<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">CC BY 4.0</rdf:li>
  <rdf:li xml:lang="de">CC BY 4.0 DE</rdf:li></rdf:Alt></dc:rights>
<dc:title><rdf:Alt><rdf:li xml:lang="de">Turm</rdf:li><rdf:li xml:lang="x-default">Tower</rdf:li></rdf:Alt></dc:title>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">A tower</rdf:li></rdf:Alt></dc:description>
<dc:subject><rdf:Bag><rdf:li>tower</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
<xmpRights:WebStatement>{BY_4}</xmpRights:WebStatement>
<xmpRights:UsageTerms><rdf:Alt><rdf:li xml:lang="x-default">CC BY 4.0</rdf:li></rdf:Alt></xmpRights:UsageTerms>
<cc:license rdf:resource="{BY_4}"/>
<photoshop:Credit>Ada's studio</photoshop:Credit>
<plus:Licensor><rdf:Seq><rdf:li rdf:parseType="Resource">
  <plus:LicensorURL>https://ada.example/</plus:LicensorURL></rdf:li></rdf:Seq></plus:Licensor>
"""
CLAIMED = (
    ("xmp:cc:license", BY_4),
    ("xmp:xmpRights:WebStatement", BY_4),
    ("xmp:xmpRights:UsageTerms", "CC BY 4.0"),
    ("xmp:dc:rights", "CC BY 4.0"),
    ("xmp:dc:rights", "CC BY 4.0 DE"),
)


def _xmp(inner: str = WHOLE, attributes: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in SPACES.items())
    rdf = f'<rdf:RDF {spaces}><rdf:Description rdf:about="" {attributes}>{inner}</rdf:Description></rdf:RDF>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()


def _exif(**said) -> bytes:
    exif = Image.Exif()
    tags = {"description": 270, "artist": 315, "rights": 33432}
    for name, value in said.items():
        if name == "gps":
            exif.get_ifd(0x8825).update(value)
        else:
            exif[tags[name]] = value
    return exif.tobytes()


def _iptc(*sets: tuple[int, bytes]) -> bytes:
    """Return an APP13 segment with datasets of record 2."""
    data = b"".join(b"\x1c\x02" + bytes([number]) + len(value).to_bytes(2, "big") + value for number, value in sets)
    resource = b"8BIM\x04\x04\0\0" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


def _jpeg(*, segment: bytes = b"", **options) -> bytes:
    data = encoded(a_picture(1), **options)
    return data[:2] + segment + data[2:]


def _folder(tmp_path: Path, files: dict[str, object]) -> str:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(tmp_path)


def _one(tmp_path: Path, files: dict[str, object], options: ReadOptions | None = None) -> ImageRecord:
    (record,) = read_folder(_folder(tmp_path, files), "f", options or ReadOptions())
    assert isinstance(record, ImageRecord), record
    return record


def _problems(path: str) -> list[tuple[str, str]]:
    return [(row.place, row.problem) for row in read_folder(path, "f") if isinstance(row, UnreadableRow)]


# what is read


def test_real_photographs_are_read_where_they_lie():
    rows = list(read_folder(str(PHOTOGRAPHS), "f"))
    records = [row for row in rows if isinstance(row, ImageRecord)]
    assert len(records) == sum(1 for path in PHOTOGRAPHS.iterdir() if path.suffix == ".jpg") > 100
    for record in records[:5]:
        body = read_held(record.held, max_bytes=10_000_000).body
        assert body == (PHOTOGRAPHS / record.id).read_bytes()
        assert (record.width, record.height) == Image.open(io.BytesIO(body)).size
    assert records_table(records, num_packs=2).num_rows == len(records)


def test_folders_come_sorted_files_before_what_is_below(tmp_path):
    names = ["b.jpg", "a.jpg", "z/1.jpg", "c/d/2.jpg", "c/1.jpg"]
    rows = list(read_folder(_folder(tmp_path, dict.fromkeys(names, encoded(a_picture(1)))), "f"))
    assert [row.id for row in rows] == ["a.jpg", "b.jpg", "c/1.jpg", "c/d/2.jpg", "z/1.jpg"]


def test_a_picture_without_a_url_gets_none_that_could_be_asked(tmp_path):
    record = _one(tmp_path, {"my pictures/täg #1.jpg": encoded(a_picture(1))})
    assert record.url == "held:my%20pictures/t%C3%A4g%20%231.jpg"
    assert (record.landing_url, record.license_claims, record.creator) == (None, (), None)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_is_read_in_every_format(kind, tmp_path):
    image = a_picture(1)
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", _xmp().decode())
        data = encoded(image, kind, pnginfo=text)
    elif kind == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = _xmp()
        tags.tagtype[700] = 1
        data = encoded(image, kind, tiffinfo=tags)
    else:
        data = encoded(image, kind, xmp=_xmp())
    record = _one(tmp_path, {f"a.{kind.lower()}": data})
    assert record.license_claims == CLAIMED
    assert (record.creator, record.title, record.description) == ("Ada; Bob", "Tower", "A tower")
    assert record.tags == ("tower", "sea")


def test_claims_of_a_picture_are_read_as_its_license(tmp_path):
    said = WHOLE.replace("CC BY 4.0 DE", "CC BY 4.0")
    assert read_claims(_one(tmp_path, {"a.jpg": _jpeg(xmp=_xmp(said))}).license_claims).spdx == "CC-BY-4.0"


def test_properties_may_be_attributes(tmp_path):
    packet = _xmp("", f'cc:license="{BY_4}" photoshop:Credit="Ada"')
    assert _one(tmp_path, {"a.jpg": _jpeg(xmp=packet)}).license_claims == (("xmp:cc:license", BY_4),)


def test_what_is_said_of_the_pictures_that_it_was_made_from_is_not_said_of_it(tmp_path):
    inner = f'<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description cc:license="{BY_4}"><dc:rights>CC0</dc:rights>'
    inner += "</rdf:Description></rdf:li></rdf:Bag></xmpMM:Pantry>"
    assert _one(tmp_path, {"a.jpg": _jpeg(xmp=_xmp(inner))}).license_claims == ()


def test_credit_and_licensor_are_kept_when_the_config_asks(tmp_path):
    options = ReadOptions(save_additional_columns=("xmp:photoshop:Credit", "xmp:plus:LicensorURL", "exif:Artist"))
    record = _one(tmp_path, {"a.jpg": _jpeg(xmp=_xmp())}, options)
    assert record.extras == (("xmp:photoshop:Credit", "Ada's studio"), ("xmp:plus:LicensorURL", "https://ada.example/"))


@pytest.mark.parametrize("name", ["Ada", "Ådå", "阿达"])
def test_exif_is_read_as_utf_8(name, tmp_path):
    said = _exif(artist=name.encode() + b"\0", rights=f"(c) {name}".encode(), description=b"A tower")
    record = _one(tmp_path, {"a.jpg": _jpeg(exif=said)})
    assert (record.creator, record.description) == (name, "A tower")
    assert record.license_claims == (("exif:Copyright", f"(c) {name}"),)


def test_exif_of_a_png_is_read_without_its_pixels(tmp_path):
    data = encoded(a_picture(1), "PNG", exif=_exif(artist="Ada"))
    place = data.index(b"IDAT") + 20
    assert _one(tmp_path, {"a.png": data[:place] + b"garbage" + data[place + 7 :]}).creator == "Ada"


def test_iptc_is_read(tmp_path):
    sets = [
        (5, b"Tower"),
        (25, b"tower"),
        (25, b"sea"),
        (80, "Ådå".encode()),
        (110, b"Studio"),
        (116, b"CC0"),
        (120, b"A"),
    ]
    record = _one(
        tmp_path, {"a.jpg": _jpeg(segment=_iptc(*sets))}, ReadOptions(save_additional_columns=("iptc:Credit",))
    )
    assert (record.title, record.creator, record.description) == ("Tower", "Ådå", "A")
    assert (record.tags, record.extras) == (("tower", "sea"), (("iptc:Credit", "Studio"),))
    assert record.license_claims == (("iptc:CopyrightNotice", "CC0"),)


def test_xmp_comes_before_iptc_and_exif_and_every_license_stays(tmp_path):
    segment, exif = _iptc((80, b"By-line"), (116, b"CC BY 4.0")), _exif(artist="Artist", rights="All rights reserved")
    record = _one(tmp_path, {"a.jpg": _jpeg(segment=segment, exif=exif, xmp=_xmp())})
    assert record.creator == "Ada; Bob"
    assert record.license_claims[-2:] == (
        ("iptc:CopyrightNotice", "CC BY 4.0"),
        ("exif:Copyright", "All rights reserved"),
    )


GPS = {1: "N", 2: (64.0, 8.0, 24.0), 3: "W", 4: (21.0, 56.0, 24.0)}


def test_coordinates_are_read_only_when_the_config_asks(tmp_path):
    files = {"a.jpg": _jpeg(exif=_exif(artist="Ada", gps=GPS)), "a.json": {"altitude": 3, "latitude": None}}
    assert "64.1" not in str(_one(tmp_path, files))
    options = ReadOptions(save_additional_columns=("latitude", "longitude"))
    assert _one(tmp_path, files, options).extras == (("latitude", "64.140000"), ("longitude", "-21.940000"))


def test_coordinates_of_a_sidecar_are_left_out_too(tmp_path):
    files = {"a.jpg": _jpeg(), "a.json": {"latitude": 64.14, "longitude": -21.9}}
    assert "64.14" not in str(_one(tmp_path, files))
    assert _one(tmp_path, files, ReadOptions(save_additional_columns=("latitude",))).extras == (("latitude", "64.14"),)


# what stands beside

SAID = {"url": "https://x.example/1.jpg", "landing_url": "https://x.example/1", "license": "CC0-1.0", "creator": "Eve"}


@pytest.mark.parametrize("name", ["a.json", "a.jpg.json"])
def test_a_sidecar_comes_before_what_is_inside(name, tmp_path):
    record = _one(tmp_path, {"a.jpg": _jpeg(exif=_exif(artist="Ada", description="inside")), name: SAID})
    assert (record.creator, record.url, record.landing_url) == ("Eve", SAID["url"], SAID["landing_url"])
    assert (record.description, record.license_claims) == ("inside", (("license", "CC0-1.0"),))
    assert record.evidence.place == f"{name}, the picture itself"


@pytest.mark.parametrize(
    "table",
    [
        {"metadata.csv": b'file_name,text,license,tags\r\nsub/a.jpg,"A tower,\nold",CC0,"sea, tower"\r\n'},
        {
            "metadata.jsonl": b'{"file_name": "./sub/a.jpg", "text": "A tower,\\nold", "license": "CC0", '
            b'"tags": ["sea", "tower"]}\n'
        },
    ],
)
def test_a_table_says_what_each_picture_is(table, tmp_path):
    record = _one(tmp_path, {"sub/a.jpg": _jpeg(), **table})
    assert (record.description, record.tags) == ("A tower, old", ("sea", "tower"))
    assert record.license_claims == (("license", "CC0"),)
    assert record.evidence.place.startswith(next(iter(table)))


def test_the_nearest_sidecar_counts_and_every_license_stays(tmp_path):
    files = {
        "a.jpg": _jpeg(),
        "a.jpg.json": {"title": "near", "license": "CC0"},
        "a.json": {"title": "far", "text": "x"},
    }
    files["metadata.csv"] = b"file_name,license\na.jpg,CC BY 4.0\n"
    record = _one(tmp_path, files)
    assert (record.title, record.description) == ("near", "x")
    assert record.license_claims == (("license", "CC0"), ("license", "CC BY 4.0"))


def test_a_config_says_which_names_are_fields_and_which_licenses_count(tmp_path):
    files = {"a.jpg": _jpeg(exif=_exif(rights="(c) Ada")), "a.json": {"by": "Eve", "terms": "CC0", "license": "own"}}
    options = ReadOptions(columns={"creator": "by", "license": "terms"})
    record = _one(tmp_path, files, options)
    assert (record.creator, record.license_claims) == ("Eve", (("terms", "CC0"),))


def test_evidence_changes_with_what_is_said_beside(tmp_path):
    plain = _one(tmp_path, {"a.jpg": _jpeg(exif=_exif(artist="Ada"))}).evidence
    assert plain.sha256 != _one(tmp_path, {"a.json": {"title": "new"}}).evidence.sha256
    assert plain.file == f"{tmp_path}/a.jpg"


# what is not read


def test_hidden_files_are_left_out_and_counted(tmp_path):
    files = dict.fromkeys([".a.jpg", ".git/b.jpg", "sub/.DS_Store", "c.jpg"], _jpeg())
    rows = list(read_folder(_folder(tmp_path, files), "f"))
    assert rows.count(LeftOut(kind="hidden file")) == 3
    assert [row.id for row in rows if isinstance(row, ImageRecord)] == ["c.jpg"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt", b"hello", "no picture of a kind that is read: unknown bytes"),
        ("empty.jpg", b"", "no picture of a kind that is read"),
        ("cut.jpg", encoded(a_picture(1))[:20], "no picture of a kind that is read"),
        ("page.jpg", b"<html><body>", "no picture of a kind that is read"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no picture of a kind that is read"),
        ("other.json", b"{}", "no picture beside it"),
        ("a.tar#0+5", _jpeg(), "a name that ends like a place in a tar (#1+2); give it another"),
    ],
)
def test_what_is_no_picture_is_told_and_the_next_is_read(name, content, problem, tmp_path):
    path = _folder(tmp_path, {name: content, "z.jpg": _jpeg()})
    ((place, said),) = _problems(path)
    assert (place, said[: len(problem)]) == (name, problem)
    assert [row.id for row in read_folder(path, "f") if isinstance(row, ImageRecord)] == ["z.jpg"]


@pytest.mark.parametrize(
    ("sidecar", "problem"),
    [
        (b"{", "its sidecar a.json: no JSON: "),
        (b"[1]", "its sidecar a.json: no JSON object"),
        (b"\xff\xfe", "its sidecar a.json: no JSON: "),
        (b"[" * 100_000, "its sidecar a.json: no JSON: nested too deep"),
        (b'{"a": "' + b"x" * 2_000_000, "its sidecar a.json: it has more than 1,048,576 bytes"),
        (b'{"title": {"a": 1}}', "title is not text"),
        (b'{"license": true}', "license is not text"),
        (b'{"width": "wide"}', "width is not a number of pixels"),
        (b'{"title": "half \\ud83d", "id": "half \\ud83d"}', "id is not Unicode"),
    ],
)
def test_a_bad_sidecar_costs_its_picture_whose_license_is_then_not_known(sidecar, problem, tmp_path):
    ((place, said),) = _problems(_folder(tmp_path, {"a.jpg": _jpeg(), "a.json": sidecar}))
    assert (place, said[: len(problem)]) == ("a.jpg", problem)


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + _xmp("<dc:rights>&b;</dc:rights>")


@pytest.mark.parametrize("packet", [ENTITIES, _xmp()[:-40], _xmp("<dc:rights>&#0;</dc:rights>"), b"<rdf-syntax-ns#"])
def test_xmp_that_cannot_be_read_is_told_and_the_rest_is_read(packet, tmp_path):
    path = _folder(tmp_path, {"a.jpg": _jpeg(xmp=packet, exif=_exif(artist="Ada"))})
    told, record = read_folder(path, "f")
    assert (told.place, told.problem[:24]) == ("a.jpg", "its XMP cannot be read: ")
    assert (record.creator, record.license_claims) == ("Ada", ())


def test_exif_and_iptc_that_cannot_be_read_cost_no_more(tmp_path):
    damaged = _iptc((116, b"CC0")).replace(b"\x1c\x02\x74\0\x03", b"\x1c\x02\x74\xff\xff")
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x3b\x01\x02\0\xff\xff\xff\x7f\xff\xff\xff\x7f" * 40
    *told, record = read_folder(_folder(tmp_path, {"a.jpg": _jpeg(segment=damaged, exif=exif, xmp=_xmp())}), "f")
    assert all(isinstance(row, UnreadableRow) for row in told)
    assert record.license_claims == CLAIMED


def test_a_link_that_leaves_the_folder_is_refused_and_one_inside_is_read(tmp_path):
    outside = tmp_path / "outside"
    path = _folder(tmp_path / "in", {"sub/a.jpg": _jpeg(), "own.jpg": _jpeg()})
    _folder(outside, {"b.jpg": _jpeg(), "secret.json": {"license": "CC0"}})
    (tmp_path / "in" / "inside.jpg").symlink_to(tmp_path / "in" / "sub" / "a.jpg")
    (tmp_path / "in" / "leaves.jpg").symlink_to(outside / "b.jpg")
    (tmp_path / "in" / "nowhere.jpg").symlink_to(tmp_path / "none")
    (tmp_path / "in" / "loop.jpg").symlink_to(tmp_path / "in" / "loop.jpg")
    (tmp_path / "in" / "folder").symlink_to(outside)
    (tmp_path / "in" / "up").symlink_to(tmp_path / "in" / "sub")
    (tmp_path / "in" / "own.json").symlink_to(outside / "secret.json")
    leaves = "a link that leaves the folder; put the file itself there"
    assert dict(_problems(path)) == {
        "folder": leaves,
        "leaves.jpg": leaves,
        "loop.jpg": "a link that leads nowhere",
        "nowhere.jpg": "a link that leads nowhere",
        "own.jpg": f"its sidecar own.json: {leaves}",
        "up": "a link to a folder, which is not followed",
    }
    held = [row.held for row in read_folder(path, "f") if isinstance(row, ImageRecord)]
    assert held == [str(tmp_path / "in" / "sub" / "a.jpg")] * 2


def test_a_pipe_is_told_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert _problems(str(tmp_path)) == [("a.jpg", "no regular file")]


def test_a_name_that_is_no_text_is_told_in_text(tmp_path):
    with open(os.fsencode(tmp_path) + b"/a\xff.jpg", "wb") as file:
        file.write(_jpeg())
    ((place, _),) = _problems(str(tmp_path))
    assert place == "a\\xff.jpg"


def test_a_folder_that_may_not_be_read_is_told(tmp_path):
    path = _folder(tmp_path, {"shut/a.jpg": _jpeg(), "z.jpg": _jpeg()})
    (tmp_path / "shut").chmod(0)
    try:
        if os.access(tmp_path / "shut", os.R_OK):
            pytest.skip("root may read everything")
        assert _problems(path) == [("shut/", "cannot be read: Permission denied")]
    finally:
        (tmp_path / "shut").chmod(0o755)


@pytest.mark.parametrize(
    ("table", "problems"),
    [
        (b"file_name,title\na.jpg,A\nb.jpg,B\n", ["no picture at 'b.jpg'"]),
        (b"file_name,title\na.jpg,A\n../../a.jpg,B\n", ["no picture at '../../a.jpg'"]),
        (b"file_name,title\na.jpg,A\na.jpg,B\n", ["'a.jpg' came before"]),
        (b"file_name,title\na.jpg,A,more\n", ["3 columns; expected 2"]),
        (b"file_name,title\n,A\n", ["no file_name"]),
    ],
)
def test_rows_of_a_table_without_a_picture_are_told(table, problems, tmp_path):
    path = _folder(tmp_path, {"a.jpg": _jpeg(), "metadata.csv": table})
    assert [problem for _, problem in _problems(path)] == problems


def test_a_bad_line_of_a_table_is_told_with_its_number(tmp_path):
    table = b'{"file_name": "a.jpg", "title": "A"}\n{"file_name"\n'
    ((place, problem),) = _problems(_folder(tmp_path, {"a.jpg": _jpeg(), "metadata.jsonl": table}))
    assert (place, problem[:8]) == ("metadata.jsonl line 2", "no JSON:")


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (
            {"metadata.csv": b"file,title\n"},
            "needs a column 'file_name', and each name once; its columns are file, title",
        ),
        ({"metadata.csv": b""}, "needs a column 'file_name', and each name once; its columns are none"),
        ({"metadata.csv": b"file_name,a\n\xff\xfe,b\n"}, "cannot be read: "),
        ({"metadata.csv": b'file_name,a\n"x,b\n'}, "cannot be read: "),
        (
            {"metadata.csv": b"file_name\n", "metadata.jsonl": b"{}"},
            "has both metadata.csv and metadata.jsonl; keep one",
        ),
    ],
)
def test_a_table_of_no_use_is_one_line(files, line, tmp_path):
    with pytest.raises(SourceError, match=re.escape(line)) as told:
        list(read_folder(_folder(tmp_path, files), "f"))
    assert "\n" not in str(told.value)


def test_a_file_is_no_folder(tmp_path):
    path = _folder(tmp_path, {"a.jpg": _jpeg()}) + "/a.jpg"
    with pytest.raises(SourceError, match="is a file; give a folder of pictures as `path`"):
        list(read_folder(path, "f"))
