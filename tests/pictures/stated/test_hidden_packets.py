"""An opt-out is heard wherever it stands in a file, and however many other packets stand before it."""

import struct
import zlib

import pytest

from byline.pictures.pixels import store_image
from byline.pictures.stated import embedded_signals
from byline.pictures.stated.packets import EXTENSION, MAX_PACKETS, STANDARD
from tests.builders import a_picture, encoded
from tests.pictures.pixels.structures import BMP, GIF, JPEG, PNG, PROGRESSIVE, WEBP, a_chunk, a_segment
from tests.pictures.stated.said import PROHIBITED, SAID, reading_of
from tests.speaking_pictures import a_packet, signed, training_mining, with_packet

NO, SILENT = a_packet(plus_DataMining=PROHIBITED), a_packet(plus_OtherConstraints="none")
YES = a_packet(plus_DataMining="http://ns.useplus.org/ldf/vocab/DMI-ALLOWED")
SAYS_NO, SAYS_NOTHING, SAYS_YES = (a_segment(0xE1, STANDARD + packet) for packet in (NO, SILENT, YES))
WIDE = {name: NO.decode().replace("\ufeff", "").encode(name) for name in ("utf-16", "utf-16-be", "utf-32")}
KEYWORD = b"XML:com.adobe.xmp\0"


def in_jpeg(*pieces):
    return JPEG[:2] + b"".join(pieces) + JPEG[2:]


def in_png(*chunks):
    return PNG[:33] + b"".join(a_chunk(kind, text) for kind, text in chunks) + PNG[33:]


def in_webp(*chunks):
    made = [kind + struct.pack("<I", len(text)) + text + bytes(len(text) % 2) for kind, text in chunks]
    body = WEBP[8:] + b"".join(made)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def in_gif(*blocks):
    return GIF[:-1] + b"".join(blocks) + GIF[-1:]


def sub_blocks(text):
    return b"".join(bytes([len(part)]) + part for part in parts_of(text, 255)) + b"\0"


def parts_of(text, size):
    return [text[place : place + size] for place in range(0, len(text), size)]


def extended(*parts, digest=b"0" * 32):
    """Return segments of (offset, text)."""
    return b"".join(a_segment(0xE1, EXTENSION + digest + struct.pack(">II", 9999, at) + text) for at, text in parts)


def halves(packet):
    middle = packet.index(PROHIBITED.encode()) + 10
    return (0, packet[:middle]), (middle, packet[middle:])


def between_scans(segment):
    place = PROGRESSIVE.rindex(b"\xff\xda")
    place = PROGRESSIVE.rindex(b"\xff\xc4", 0, place)
    return PROGRESSIVE[:place] + segment + PROGRESSIVE[place:]


def a_profile(name, text):
    digits = b"\n".join(parts_of(text.hex().encode(), 72))
    return b"Raw profile type %s\0\0" % name + zlib.compress(b"\n%s\n%8d\n%s\n" % (name, len(text), digits))


def a_magic_block(packet):
    return b"\x21\xff\x0bXMP DataXMP" + packet + b"\x01" + bytes(range(255, -1, -1)) + b"\0"


def two_pages(packet):
    pages = [a_picture(seed) for seed in (1, 2)]
    first = encoded(pages[0], "TIFF", save_all=True, append_images=[pages[1]], tiffinfo={700: packet})
    assert first.count(packet) == 2
    return first.replace(packet, SILENT.ljust(len(packet)), 1)


HIDDEN = {
    "zero byte": in_jpeg(SAYS_NOTHING, b"\0", SAYS_NO),
    "zeros": in_jpeg(SAYS_NOTHING, bytes(1000), SAYS_NO),
    "rubbish": in_jpeg(SAYS_NOTHING, b"rubbish", SAYS_NO),
    "fill": in_jpeg(SAYS_NOTHING, b"\xff" * 9, SAYS_NO),
    "between scans": between_scans(SAYS_NO),
    "without the zero of its name": in_jpeg(a_segment(0xE1, STANDARD[:-1] + NO)),
    "in a comment": in_jpeg(SAYS_NOTHING, a_segment(0xFE, NO)),
    "in Photoshop's segment": in_jpeg(SAYS_NOTHING, a_segment(0xED, b"Photoshop 3.0\0" + NO)),
    "in a segment that nobody knows": in_jpeg(SAYS_NOTHING, a_segment(0xE5, b"OWN\0" + NO)),
    "behind the end": in_jpeg(SAYS_NOTHING) + NO,
    "behind the end and zeros": in_jpeg(SAYS_NOTHING) + bytes(5000) + NO,
    "in a second picture": in_jpeg(SAYS_NOTHING) + in_jpeg(SAYS_NO),
    "in a second picture, in parts": JPEG + bytes(64) + in_jpeg(extended(*halves(NO))),
    "in a third picture, packed": JPEG + JPEG + in_png((b"iTXt", KEYWORD + b"\1\0\0\0" + zlib.compress(NO))),
    "after many packets": in_jpeg(*[SAYS_NOTHING] * MAX_PACKETS, SAYS_NO),
    "after very many packets": in_jpeg(*[SAYS_NOTHING] * 300, SAYS_NO) + SILENT * 50,
    "after many packets behind the end": JPEG + SILENT * MAX_PACKETS + NO,
    "in parts": in_jpeg(extended(*reversed(halves(NO)))),
    "in parts of which one is said twice": in_jpeg(extended((0, NO), (0, SILENT))),
    "in parts of two packets": in_jpeg(extended((0, SILENT)), extended((0, NO), digest=b"1" * 32)),
    "two-byte letters": in_jpeg(a_segment(0xE1, STANDARD + WIDE["utf-16"])),
    "two-byte letters in a comment": in_jpeg(SAYS_NOTHING, a_segment(0xFE, WIDE["utf-16-be"])),
    "four-byte letters": in_jpeg(a_segment(0xE1, STANDARD + WIDE["utf-32"])),
    "two-byte letters behind the end": BMP + WIDE["utf-16"],
    "behind a packet without its end": JPEG + SILENT[:-80] + NO,
    "PNG, second text": in_png((b"iTXt", KEYWORD + bytes(4) + SILENT), (b"iTXt", KEYWORD + bytes(4) + NO)),
    "PNG, another keyword": in_png((b"iTXt", KEYWORD + bytes(4) + SILENT), (b"tEXt", b"xmp\0" + NO)),
    "PNG, another keyword, packed": in_png((b"zTXt", b"Comment\0\0" + zlib.compress(NO))),
    "PNG, a JPEG's segment in hexadecimal digits": in_png((b"zTXt", a_profile(b"APP1", STANDARD + NO))),
    "PNG, a chunk that nobody knows": in_png((b"xmPx", NO)),
    "PNG, behind the end": in_png((b"iTXt", KEYWORD + bytes(4) + SILENT)) + NO,
    "PNG, in a second picture": PNG + in_png((b"iTXt", KEYWORD + b"\1\0\0\0" + zlib.compress(NO))),
    "WebP, second chunk": in_webp((b"XMP ", SILENT), (b"XMP ", NO)),
    "WebP, misspelt": in_webp((b"XMP\0", NO)),
    "WebP, behind the end": in_webp((b"XMP ", SILENT)) + NO,
    "GIF, second block": in_gif(a_magic_block(SILENT), a_magic_block(NO)),
    "GIF, in sub-blocks": in_gif(b"\x21\xff\x0bXMP DataXMP" + sub_blocks(NO)),
    "GIF, behind the end": in_gif(a_magic_block(SILENT)) + NO,
    "TIFF, second page": two_pages(NO),
    "TIFF, behind the end": with_packet(SILENT, "tiff") + NO,
    "BMP": BMP + NO,
}


@pytest.mark.parametrize("data", HIDDEN.values(), ids=HIDDEN)
def test_an_opt_out_is_heard_in_a_picture_that_would_be_stored(data):
    assert store_image(data).data
    assert reading_of(data).rule == "xmp:plus:DataMining=DMI-PROHIBITED"


def test_a_packet_that_is_cut_off_can_still_reserve():
    for how in ("attribute", "element", "bag"):
        packet = a_packet(how, tdm_reservation="1")
        assert reading_of(JPEG + packet[: packet.index(b"</rdf:Description")]).rule == "xmp:tdm:reservation:1", how


NOT_READ_WHOLE = {
    "no end marker": in_jpeg(SAYS_YES)[:-2],
    "cut off": in_jpeg(SAYS_YES)[:-200],
    "too many packets": in_jpeg(SAYS_YES, *[SAYS_NOTHING] * MAX_PACKETS),
    "too many pictures": in_jpeg(SAYS_YES) + JPEG * 20,
    "text that is packed and damaged": in_png((b"iTXt", KEYWORD + bytes(4) + YES), (b"zTXt", b"Comment\0\0damaged")),
    "more text than is unpacked": in_png(
        (b"iTXt", KEYWORD + bytes(4) + YES), *[(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000)))] * 5
    ),
    "a chunk that is cut off": in_png((b"iTXt", KEYWORD + bytes(4) + YES))[:-20],
    "a value that is cut off": with_packet(YES, "tiff").replace(
        struct.pack("<HHI", 700, 1, len(YES)), b"\xbc\x02\1\0" * 2
    ),
}


@pytest.mark.parametrize("data", NOT_READ_WHOLE.values(), ids=NOT_READ_WHOLE)
def test_what_is_not_read_whole_gives_no_permission(data):
    assert ("xmp", "unread") in embedded_signals(data)
    assert (reading_of(data).state, reading_of(data).rule) == ("unstated", "xmp:unread")


@pytest.mark.parametrize("data", [in_jpeg(SAYS_YES), in_jpeg(SAYS_YES) + JPEG, in_jpeg(b"\0", SAYS_YES)])
def test_a_permission_in_a_whole_file_is_one(data):
    assert reading_of(data).state == "allowed"


def test_what_is_said_once_is_one_signal_wherever_it_stands():
    assert embedded_signals(in_jpeg(SAYS_NO, b"\0", SAYS_NO) + NO + in_jpeg(SAYS_NO)) == SAID


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_manifest_of_a_second_picture_is_not_overheard(kind):
    yes, no = (
        training_mining("cawg.training-mining", ai_generative_training=said) for said in ("allowed", "notAllowed")
    )
    first = signed([yes], kind)
    assert reading_of(first).state == "allowed"
    assert reading_of(first + signed([no])).rule == "c2pa:ai_generative_training=notAllowed"
    assert reading_of(first + signed([yes])).rule == "c2pa:unread"
