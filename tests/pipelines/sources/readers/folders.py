"""Folders of real pictures, and what XMP, IPTC and EXIF say in them."""

import json
from pathlib import Path

from PIL import Image

from byline.catalog.corpora.records import ImageRecord, UnreadableRow
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.options import ReadOptions
from tests.builders import a_picture, encoded

PHOTOGRAPHS = Path(__file__).parents[4] / "samples" / "photographs"
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


def a_packet(inner: str = WHOLE, attributes: str = "") -> bytes:
    spaces = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in SPACES.items())
    rdf = f'<rdf:RDF {spaces}><rdf:Description rdf:about="" {attributes}>{inner}</rdf:Description></rdf:RDF>'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta>'.encode()


def an_exif(**said) -> bytes:
    exif = Image.Exif()
    tags = {"description": 270, "artist": 315, "rights": 33432}
    for name, value in said.items():
        if name == "gps":
            exif.get_ifd(0x8825).update(value)
        else:
            exif[tags[name]] = value
    return exif.tobytes()


def an_iptc(*sets: tuple[int, bytes]) -> bytes:
    """Return an APP13 segment with datasets of record 2."""
    data = b"".join(b"\x1c\x02" + bytes([number]) + len(value).to_bytes(2, "big") + value for number, value in sets)
    resource = b"8BIM\x04\x04\0\0" + len(data).to_bytes(4, "big") + data + b"\0" * (len(data) % 2)
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


def a_jpeg(*, segment: bytes = b"", **options) -> bytes:
    data = encoded(a_picture(1), **options)
    return data[:2] + segment + data[2:]


def a_folder(tmp_path: Path, files: dict[str, object]) -> str:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return str(tmp_path)


def one_record(tmp_path: Path, files: dict[str, object], options: ReadOptions | None = None) -> ImageRecord:
    (record,) = read_folder(a_folder(tmp_path, files), "f", options or ReadOptions())
    assert isinstance(record, ImageRecord), record
    return record


def problems_in(path: str) -> list[tuple[str, str]]:
    return [(row.place, row.problem) for row in read_folder(path, "f") if isinstance(row, UnreadableRow)]
