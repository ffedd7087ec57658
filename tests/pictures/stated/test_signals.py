"""What pictures say of themselves: packets of XMP and signed manifests."""

import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from byline.catalog.consent import consent_evidence
from byline.pictures.stated import embedded_signals
from tests.pictures.stated.said import NO_TRAINING, PROHIBITED, SAID, reading_of
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


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_plain_picture_says_nothing(kind):
    assert embedded_signals(a_plain_picture(kind)) == ()


@pytest.mark.parametrize("data", [b"", b"\xff", b"RIFF", b"GIF8", b"II*", b"x" * 99])
def test_bytes_that_are_no_picture_say_nothing(data):
    assert embedded_signals(data) == ()


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_a_picture_that_cannot_be_walked_to_its_end_is_unread_wherever_it_is_cut(kind):
    data = a_plain_picture(kind)
    heard = {embedded_signals(data[:place]) for place in range(12, len(data))}
    assert heard == {(("xmp", "unread"),)}


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
    assert reading_of(data).rule == "c2pa:ai_training=notAllowed"


def test_terms_in_a_metadata_assertion_count():
    metadata = {"@context": {"plus": "http://ns.useplus.org/ldf/xmp/1.0/"}, "plus:DataMining": PROHIBITED}
    data = signed([{"label": "cawg.metadata", "data": metadata}])
    assert reading_of(data).rule == "c2pa:plus:DataMining=DMI-PROHIBITED"


def test_constraints_are_kept_and_cut():
    entry = {"use": "constrained", "constraint_info": "x" * 5_000}
    data = signed([{"label": "cawg.training-mining", "data": {"entries": {"cawg.data_mining": entry}}}])
    assert reading_of(data).rule == "c2pa:data_mining=constrained"
    assert len(consent_evidence(embedded_signals(data))) < 2_000


def test_without_the_library_a_manifest_is_known_to_be_unread_and_its_no_still_counts(monkeypatch):
    says_no, says_yes = (
        signed([training_mining("cawg.training-mining", ai_generative_training=said)])
        for said in ("notAllowed", "allowed")
    )
    monkeypatch.setitem(sys.modules, "c2pa", None)
    assert ("c2pa", "unread") in embedded_signals(says_no)
    assert reading_of(says_no).rule == "c2pa:ai_generative_training=notAllowed"
    assert reading_of(says_yes).rule == "c2pa:unread"


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
        readings = list(pool.map(reading_of, pictures))
    assert {reading.rule for reading in readings} == {"c2pa:ai_training=notAllowed"}
