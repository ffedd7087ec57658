"""What pictures say of themselves, and that neither odd nor hostile bytes cost more than a look."""

import io
import json
import random
import resource
import struct
import sys
import threading
import time
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from catalog.consent import CUT, consent_evidence, read_consent, synthetic_rule
from pipelines.embedded import embedded_signals
from pipelines.embedded.stores import check_cbor, check_store, store_of
from tests.speaking_pictures import (
    MEDIA_TYPES,
    RDF,
    a_packet,
    a_plain_picture,
    signed,
    tampered,
    training_mining,
    with_packet,
)

PROHIBITED = "http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"
SAID = (("xmp:plus:DataMining", PROHIBITED),)
NO_TRAINING = training_mining("cawg.training-mining", ai_training="notAllowed")
BOMB = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + ']><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf-syntax-ns#>&i;</rdf-syntax-ns#></x:xmpmeta>'
).encode()


def _a_photograph() -> bytes:
    """Return a JPEG of about 267 kB that says nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (660, 850, 3), dtype=np.uint8)
    sink = io.BytesIO()
    Image.fromarray(noise).save(sink, "JPEG", quality=60)
    return sink.getvalue()


def _reading(data: bytes):
    return read_consent(consent_evidence(embedded_signals(data)))


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_plain_picture_says_nothing(kind):
    assert embedded_signals(a_plain_picture(kind)) == ()


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF89a", b"II*\0", b"x" * 99]
)
def test_bytes_that_are_no_picture_say_nothing(data):
    assert embedded_signals(data) == ()


def test_what_is_said_twice_is_one_signal():
    packet = a_packet(plus_DataMining=PROHIBITED)
    assert embedded_signals(with_packet(packet) + packet) == SAID
    said = a_packet("bag", plus_DataMining=f"{PROHIBITED}</rdf:li><rdf:li>{PROHIBITED}")
    assert embedded_signals(with_packet(said)) == SAID


def test_properties_of_one_packet_are_all_read():
    packet = a_packet(
        "element",
        plus_DataMining="DMI-PROHIBITED-SEECONSTRAINT",
        plus_OtherConstraints="Ask ada@example.org",
        Iptc4xmpExt_DigitalSourceType="digitalCapture",
    )
    assert dict(embedded_signals(with_packet(packet))) == {
        "xmp:plus:DataMining": "DMI-PROHIBITED-SEECONSTRAINT",
        "xmp:plus:OtherConstraints": "Ask ada@example.org",
        "xmp:iptc4xmpext:DigitalSourceType": "digitalCapture",
    }


@pytest.mark.parametrize("prefix", ["p", "plus", "DataMining"])
@pytest.mark.parametrize("space", ["http://ns.useplus.org/ldf/xmp/1.0/", "http://ns.useplus.org/LDF/1.0/"])
def test_a_property_is_known_by_its_namespace_not_its_prefix(prefix, space):
    body = f'<rdf:Description xmlns:{prefix}="{space}" {prefix}:DataMining="DMI-PROHIBITED"/>'
    packet = f'<rdf:RDF xmlns:rdf="{RDF}">{body}</rdf:RDF>'.encode()
    assert embedded_signals(with_packet(packet)) == (("xmp:plus:DataMining", "DMI-PROHIBITED"),)


def test_a_property_of_another_namespace_is_none():
    body = '<rdf:Description xmlns:plus="http://example.org/" plus:DataMining="DMI-PROHIBITED"/>'
    packet = f'<rdf:RDF xmlns:rdf="{RDF}">{body}</rdf:RDF>'.encode()
    assert embedded_signals(with_packet(packet)) == ()


def test_a_packet_of_two_byte_letters_is_read():
    packet = a_packet(plus_DataMining=PROHIBITED).decode().replace("\ufeff", "").encode("utf-16")
    assert embedded_signals(with_packet(packet, "tiff")) == SAID


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_signed_manifest_is_read_in_every_format(kind):
    said = [json.loads(value) for name, value in embedded_signals(signed([NO_TRAINING], kind)) if name == "c2pa"]
    assert {
        "label": "cawg.training-mining",
        "entries": {"cawg.ai_training": {"use": "notAllowed"}},
        "state": "Valid",
    } in said


def test_pixels_changed_after_signing_make_a_manifest_invalid_and_its_no_counts():
    data = tampered(signed([NO_TRAINING]))
    states = {json.loads(value).get("state") for _, value in embedded_signals(data)}
    assert states == {"Invalid", None}  # None of what was looked through besides
    assert _reading(data).rule == "c2pa:ai_training=notAllowed"


def test_terms_in_a_metadata_assertion_count():
    metadata = {"@context": {"plus": "http://ns.useplus.org/ldf/xmp/1.0/"}, "plus:DataMining": PROHIBITED}
    data = signed([{"label": "cawg.metadata", "data": metadata}])
    assert _reading(data).rule == "c2pa:plus:DataMining=DMI-PROHIBITED"


def test_constraints_are_kept_and_cut():
    entry = {"use": "constrained", "constraint_info": "x" * 5_000}
    data = signed([{"label": "cawg.training-mining", "data": {"entries": {"cawg.data_mining": entry}}}])
    assert _reading(data).rule == "c2pa:data_mining=constrained"
    assert len(consent_evidence(embedded_signals(data))) < 2_000


def test_without_the_library_a_manifest_is_known_to_be_unread_and_its_no_still_counts(monkeypatch):
    says_no, says_yes = (
        signed([training_mining("cawg.training-mining", ai_generative_training=said)])
        for said in ("notAllowed", "allowed")
    )
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert ("c2pa", "unread") in embedded_signals(says_no)
    assert _reading(says_no).rule == "c2pa:ai_generative_training=notAllowed"
    assert _reading(says_yes).rule == "c2pa:unread"


def test_the_network_is_asked_nothing():
    asked = []

    class Log(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = HTTPServer(("127.0.0.1", 0), Log)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        data = signed([NO_TRAINING], remote=f"http://127.0.0.1:{server.server_port}/manifest")
        assert embedded_signals(data) == (("c2pa", "remote"),)
        store = bytes.fromhex("63327061 0011 0010 8000 00AA00389B71")
        assert ("c2pa", "unread") in embedded_signals(data + store)  # so that the library is asked to read it
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_threads_read_manifests_at_once():
    pictures = [signed([NO_TRAINING], kind) for kind in MEDIA_TYPES] * 8
    with ThreadPoolExecutor(8) as pool:
        readings = list(pool.map(_reading, pictures))
    assert {reading.rule for reading in readings} == {"c2pa:ai_training=notAllowed"}


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


@pytest.mark.parametrize("packet", HOSTILE_PACKETS.values(), ids=HOSTILE_PACKETS.keys())
@pytest.mark.parametrize("place", ["jpeg-trailing", "png-compressed", "tiff", "webp"])
def test_a_hostile_packet_costs_little_and_gives_no_permission(packet, place):
    data = with_packet(packet, place) if place != "webp" or len(packet) < 2_000_000 else packet
    tracemalloc.start()
    started = time.monotonic()
    signals = embedded_signals(data)
    seconds, peak = time.monotonic() - started, tracemalloc.get_traced_memory()[1]
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
    assert _reading(data).state == "opted-out"


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


def test_looking_at_a_photograph_that_says_nothing_takes_less_than_a_third_of_a_millisecond():
    data = _a_photograph()
    assert 200_000 < len(data) < 350_000
    assert embedded_signals(data) == ()
    best = min(_seconds(data) for _ in range(50))
    assert best < 0.3e-3


def _seconds(data: bytes) -> float:
    started = time.perf_counter()
    embedded_signals(data)
    return time.perf_counter() - started
