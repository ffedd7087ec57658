"""What pictures of a folder say themselves: XMP, IPTC and EXIF."""

import pytest
from PIL import TiffImagePlugin

from byline.catalog.corpora.records import UnreadableRow
from byline.catalog.licenses.reading import read_claims
from byline.pipelines.sources.readers.folder import read_folder
from byline.pipelines.sources.readers.options import ReadOptions
from tests.builders import a_picture, encoded
from tests.pipelines.sources.readers.folders import (
    BY_4,
    CLAIMED,
    WHOLE,
    a_folder,
    a_jpeg,
    a_packet,
    an_exif,
    an_iptc,
    one_record,
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_xmp_is_read_in_every_format(kind, tmp_path):
    image = a_picture(1)
    if kind == "PNG":
        from PIL.PngImagePlugin import PngInfo

        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", a_packet().decode())
        data = encoded(image, kind, pnginfo=text)
    elif kind == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[700] = a_packet()
        tags.tagtype[700] = 1
        data = encoded(image, kind, tiffinfo=tags)
    else:
        data = encoded(image, kind, xmp=a_packet())
    record = one_record(tmp_path, {f"a.{kind.lower()}": data})
    assert record.license_claims == CLAIMED
    assert (record.creator, record.title, record.description) == ("Ada; Bob", "Tower", "A tower")
    assert record.tags == ("tower", "sea")


def test_claims_of_a_picture_are_read_as_its_license(tmp_path):
    said = WHOLE.replace("CC BY 4.0 DE", "CC BY 4.0")
    assert read_claims(one_record(tmp_path, {"a.jpg": a_jpeg(xmp=a_packet(said))}).license_claims).spdx == "CC-BY-4.0"


def test_properties_may_be_attributes(tmp_path):
    packet = a_packet("", f'cc:license="{BY_4}" photoshop:Credit="Ada"')
    assert one_record(tmp_path, {"a.jpg": a_jpeg(xmp=packet)}).license_claims == (("xmp:cc:license", BY_4),)


def test_what_is_said_of_the_pictures_that_it_was_made_from_is_not_said_of_it(tmp_path):
    inner = f'<xmpMM:Pantry><rdf:Bag><rdf:li><rdf:Description cc:license="{BY_4}"><dc:rights>CC0</dc:rights>'
    inner += "</rdf:Description></rdf:li></rdf:Bag></xmpMM:Pantry>"
    assert one_record(tmp_path, {"a.jpg": a_jpeg(xmp=a_packet(inner))}).license_claims == ()


def test_credit_and_licensor_are_kept_when_the_config_asks(tmp_path):
    options = ReadOptions(save_additional_columns=("xmp:photoshop:Credit", "xmp:plus:LicensorURL", "exif:Artist"))
    record = one_record(tmp_path, {"a.jpg": a_jpeg(xmp=a_packet())}, options)
    assert record.extras == (("xmp:photoshop:Credit", "Ada's studio"), ("xmp:plus:LicensorURL", "https://ada.example/"))


@pytest.mark.parametrize("name", ["Ada", "Ådå", "阿达"])
def test_exif_is_read_as_utf_8(name, tmp_path):
    said = an_exif(artist=name.encode() + b"\0", rights=f"(c) {name}".encode(), description=b"A tower")
    record = one_record(tmp_path, {"a.jpg": a_jpeg(exif=said)})
    assert (record.creator, record.description) == (name, "A tower")
    assert record.license_claims == (("exif:Copyright", f"(c) {name}"),)


def test_exif_of_a_png_is_read_without_its_pixels(tmp_path):
    data = encoded(a_picture(1), "PNG", exif=an_exif(artist="Ada"))
    place = data.index(b"IDAT") + 20
    assert one_record(tmp_path, {"a.png": data[:place] + b"garbage" + data[place + 7 :]}).creator == "Ada"


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
    record = one_record(
        tmp_path, {"a.jpg": a_jpeg(segment=an_iptc(*sets))}, ReadOptions(save_additional_columns=("iptc:Credit",))
    )
    assert (record.title, record.creator, record.description) == ("Tower", "Ådå", "A")
    assert (record.tags, record.extras) == (("tower", "sea"), (("iptc:Credit", "Studio"),))
    assert record.license_claims == (("iptc:CopyrightNotice", "CC0"),)


def test_xmp_comes_before_iptc_and_exif_and_every_license_stays(tmp_path):
    segment, exif = (
        an_iptc((80, b"By-line"), (116, b"CC BY 4.0")),
        an_exif(artist="Artist", rights="All rights reserved"),
    )
    record = one_record(tmp_path, {"a.jpg": a_jpeg(segment=segment, exif=exif, xmp=a_packet())})
    assert record.creator == "Ada; Bob"
    assert record.license_claims[-2:] == (
        ("iptc:CopyrightNotice", "CC BY 4.0"),
        ("exif:Copyright", "All rights reserved"),
    )


GPS = {1: "N", 2: (64.0, 8.0, 24.0), 3: "W", 4: (21.0, 56.0, 24.0)}


def test_coordinates_are_read_only_when_the_config_asks(tmp_path):
    files = {"a.jpg": a_jpeg(exif=an_exif(artist="Ada", gps=GPS)), "a.json": {"altitude": 3, "latitude": None}}
    assert "64.1" not in str(one_record(tmp_path, files))
    options = ReadOptions(save_additional_columns=("latitude", "longitude"))
    assert one_record(tmp_path, files, options).extras == (("latitude", "64.140000"), ("longitude", "-21.940000"))


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + a_packet("<dc:rights>&b;</dc:rights>")


@pytest.mark.parametrize(
    "packet", [ENTITIES, a_packet()[:-40], a_packet("<dc:rights>&#0;</dc:rights>"), b"<rdf-syntax-ns#"]
)
def test_xmp_that_cannot_be_read_is_told_and_the_rest_is_read(packet, tmp_path):
    path = a_folder(tmp_path, {"a.jpg": a_jpeg(xmp=packet, exif=an_exif(artist="Ada"))})
    told, record = read_folder(path, "f")
    assert (told.place, told.problem[:24]) == ("a.jpg", "its XMP cannot be read: ")
    assert (record.creator, record.license_claims) == ("Ada", ())


def test_exif_and_iptc_that_cannot_be_read_cost_no_more(tmp_path):
    damaged = an_iptc((116, b"CC0")).replace(b"\x1c\x02\x74\0\x03", b"\x1c\x02\x74\xff\xff")
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x3b\x01\x02\0\xff\xff\xff\x7f\xff\xff\xff\x7f" * 40
    *told, record = read_folder(a_folder(tmp_path, {"a.jpg": a_jpeg(segment=damaged, exif=exif, xmp=a_packet())}), "f")
    assert all(isinstance(row, UnreadableRow) for row in told)
    assert record.license_claims == CLAIMED
