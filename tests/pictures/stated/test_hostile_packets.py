"""Neither odd nor hostile bytes cost more than a look, nor give a permission."""

import random
import resource
import struct
import time
import tracemalloc
import zlib
from contextlib import nullcontext

import pytest

from byline.catalog.consent import CUT, consent_evidence, read_consent, synthetic_rule
from byline.pictures.stated import embedded_signals
from byline.pictures.stated.stores import check_cbor, check_store, store_of
from tests.pictures.stated.said import NO_TRAINING, PROHIBITED, reading_of
from tests.speaking_pictures import (
    MEDIA_TYPES,
    RDF,
    a_packet,
    a_plain_picture,
    signed,
    with_packet,
)

BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + ']><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf-syntax-ns#>&i;</rdf-syntax-ns#></x:xmpmeta>'
).encode()
HOSTILE_PACKETS = {
    "billion laughs": BOMB,
    "external entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x:xmpmeta>rdf-syntax-ns#&a;</x:xmpmeta>',
    "deep": b"<x:xmpmeta>rdf-syntax-ns#" + b"<a>" * 400_000,
    "deep and closed": b"<a>" * 200_000 + b"rdf-syntax-ns#" + b"</a>" * 200_000,
    "long": b"<x:xmpmeta>rdf-syntax-ns#" + b" " * 20_000_000 + b"</x:xmpmeta>",
    "many beginnings": b"<x:xmpmeta rdf-syntax-ns#" * 400_000,
    "nested properties": f'<r xmlns:plus="http://ns.useplus.org/" a="{RDF}">'.encode()
    + b"<plus:DataMining>a" * 50_000
    + b"</plus:DataMining>" * 50_000
    + b"</r>",
    "many values": f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:plus="http://ns.useplus.org/">'.encode()
    + b"".join(b"<plus:DataMining>%d</plus:DataMining>" % number for number in range(30_000))
    + b"</rdf:RDF>",
    "no text": b"\xff\xfe\x00rdf-syntax-ns#\xd8",
    "long value": a_packet(plus_OtherConstraints="x" * 1_000_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("packet", HOSTILE_PACKETS.values(), ids=HOSTILE_PACKETS.keys())
@pytest.mark.parametrize("place", ["jpeg-trailing", "png-compressed", "tiff", "webp"])
def test_a_hostile_packet_costs_little_and_gives_no_permission(packet, place):
    data = with_packet(packet, place) if place != "webp" or len(packet) < 2_000_000 else packet
    tracemalloc.start()
    started = time.process_time()
    signals = embedded_signals(data)
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 5  # with memory traced, which is slow
    assert peak < len(data) + 150_000_000
    assert len(signals) <= 65
    assert read_consent(consent_evidence(signals)).state == "unstated"


def test_a_compressed_bomb_is_opened_only_so_far():
    bomb = zlib.compress(b"rdf-syntax-ns#" + b" " * 200_000_000, 9)
    chunk = b"iTXtXML:com.adobe.xmp\0\1\0\0\0" + bomb
    plain = a_plain_picture("png")
    data = plain[:33] + struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + plain[33:]
    tracemalloc.start()
    signals = embedded_signals(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert signals == (("xmp", "unread"),)
    assert peak < 20_000_000


def test_a_no_is_not_lost_among_many_other_words():
    words = "".join(f"<plus:OtherConstraints>{number}</plus:OtherConstraints>" for number in range(150))
    body = f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:plus="http://ns.useplus.org/">{words}<plus:DataMining>{PROHIBITED}'
    data = with_packet(f"{body}</plus:DataMining></rdf:RDF>".encode(), "png")
    assert embedded_signals(data)[-1] == (CUT, "")
    assert reading_of(data).state == "opted-out"


@pytest.mark.parametrize(
    "head", ["7b0000000100000000", "7a7fffffff", "5b7fffffffffffffff", "9b7fffffffffffffff", "bb00ffffffffffffff", "7f"]
)
def test_a_text_that_claims_to_be_long_fills_no_memory(head):
    data = signed([NO_TRAINING])
    place = data.index(b"notAllowed") - 1
    lie = bytes.fromhex(head)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    signals = embedded_signals(data[:place] + lie + data[place + len(lie) :])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes
    assert ("c2pa", "unread") in signals


@pytest.mark.parametrize(
    ("item", "is_sound"),
    [
        ("00", True),
        ("1bffffffffffffffff", True),
        ("6161", True),
        ("62f0", False),
        ("8301820203820405", True),
        ("83010203", True),
        ("830102", False),
        ("a1616101", True),
        ("a16161", False),
        ("bf616101ff", True),
        ("bf616101", False),
        ("9f9f01ffff", True),
        ("5f4101ff", True),
        ("c11a514b67b0", True),
        ("c1", False),
        ("f93c00", True),
        ("fb3ff0", False),
        ("1c", False),
        ("ff", False),
        ("", False),
        ("81" * 200 + "00", False),
        ("9bffffffffffffffff", False),
    ],
)
def test_lengths_in_cbor_are_compared_with_what_there_is(item, is_sound):
    data = bytes.fromhex(item)
    with nullcontext() if is_sound else pytest.raises(ValueError, match="item|CBOR"):
        check_cbor(data, 0, len(data))


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_store_is_taken_out_whole_and_none_of_its_cuts_is_sound(kind):
    data = signed([NO_TRAINING], kind, of=with_packet(a_packet(plus_DataMining=PROHIBITED), kind))
    store = store_of(data)
    check_store(store)
    for end in range(1, len(store), 97):
        with pytest.raises(ValueError, match="longer|end"):
            check_store(store[:end])


def test_a_picture_cut_or_damaged_anywhere_never_raises():
    chance = random.Random(0)
    speaking = [
        signed([NO_TRAINING], kind, of=with_packet(a_packet(plus_DataMining=PROHIBITED), kind)) for kind in MEDIA_TYPES
    ]
    for data in speaking:
        for _ in range(150):
            place = chance.randrange(len(data))
            damaged = bytearray(data)
            damaged[place : place + chance.randrange(1, 9)] = chance.randbytes(chance.randrange(9))
            for odd in (bytes(damaged), data[:place]):
                signals = embedded_signals(odd)
                assert all(isinstance(part, str) for signal in signals for part in signal)
                synthetic_rule(consent_evidence(signals))
