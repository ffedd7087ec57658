"""What an answer, and what a source states, say of a picture."""

from datetime import UTC, datetime

import pytest

from byline.catalog.consent import read_consent
from byline.catalog.corpora.packs import Outcome
from byline.catalog.corpora.rechecks import Finding
from byline.catalog.digests import sha256_hex
from byline.pipelines.fetching.transport import Answer
from byline.pipelines.rights.recheck.asking import Stated, check_of
from byline.pipelines.rights.recheck.due import Picture

BY = '[["license","by 4.0"]]'
NOW = datetime(2026, 1, 1, tzinfo=UTC)
BODY = b"as it was"
NOAI = (("x-robots-tag", "noai"),)


def _picture(**overrides):
    fields = {"record_id": "a:1", "url": "http://a/1", "license_claims": BY, "sha256": sha256_hex(BODY)}
    return Picture(**{**fields, "etag": None, "last_modified": None, **overrides})


def _finding(answer, stated=None):
    row = check_of(_picture(), stated, answer, NOW)
    return row["finding"], row["message"]


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (Answer(body=BODY), "unchanged"),
        (Answer(outcome=Outcome.UNCHANGED), "unchanged"),
        (Answer(body=b"other"), "changed"),
        (Answer(outcome=Outcome.TOO_LARGE), "changed"),
        (Answer(body=BODY, consent=NOAI), "opted-out"),
        (Answer(body=b"other", consent=NOAI), "opted-out"),
        (Answer(outcome=Outcome.UNCHANGED, consent=(("tdm-reservation", "1"),)), "opted-out"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 404"), "removed"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 410"), "removed"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 451"), "removed"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 404", consent=NOAI), "removed"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 403"), "unreachable"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 403", consent=NOAI), "unreachable"),
        (Answer(outcome=Outcome.HTTP_ERROR, message="more than 5 redirects"), "unreachable"),
        (Answer(outcome=Outcome.SERVER_ERROR, message="HTTP 503"), "unreachable"),
        (Answer(outcome=Outcome.TIMEOUT), "unreachable"),
        (Answer(outcome=Outcome.UNREACHABLE), "unreachable"),
        (Answer(outcome=Outcome.BAD_CERTIFICATE), "unreachable"),
        (Answer(outcome=Outcome.PRIVATE_ADDRESS), "unreachable"),
        (Answer(outcome=Outcome.BAD_URL), "unreachable"),
        (Answer(outcome=Outcome.DENIED, message="taken down"), "removed"),
        (Answer(outcome=Outcome.DISALLOWED), "unreachable"),
    ],
)
def test_every_answer_is_one_finding(answer, finding):
    assert _finding(answer)[0] == finding


@pytest.mark.parametrize("outcome", list(Outcome))
def test_no_outcome_is_without_a_finding(outcome):
    assert _finding(Answer(outcome=outcome))[0] in set(Finding)


@pytest.mark.parametrize(
    ("claims", "finding"),
    [
        (BY, "unchanged"),
        ('[["license","CC BY 4.0"]]', "unchanged"),
        ('[["license","by-nc 4.0"]]', "relicensed"),
        ('[["license","all rights reserved"]]', "relicensed"),
        ("[]", "relicensed"),
        (None, "removed"),
    ],
)
def test_what_the_source_states_counts_by_how_it_is_read(claims, finding):
    assert _finding(Answer(body=BODY), Stated(license_claims=claims, asked="api"))[0] == finding


def test_a_relicensed_picture_says_from_what_to_what():
    stated = Stated(license_claims='[["license","by-nc 4.0"]]', asked="api")
    said = ("relicensed", "CC-BY-4.0 -> CC-BY-NC-4.0")
    assert _finding(Answer(outcome=Outcome.TIMEOUT), stated) == said
    assert _finding(Answer(body=b"other"), stated) == said


def test_evidence_of_an_error_page_is_not_kept_as_that_of_the_picture():
    gone = check_of(_picture(), None, Answer(outcome=Outcome.HTTP_ERROR, message="HTTP 404", consent=NOAI), NOW)
    assert gone["consent"] is None
    heard = check_of(_picture(), None, Answer(body=BODY, consent=NOAI), NOW)
    assert read_consent(heard["consent"]).state == "opted-out"


def test_new_bytes_are_heard_too():
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
        b'plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED"/></rdf:RDF></x:xmpmeta>'
    )
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    jpeg = b"\xff\xd8\xff\xe1" + (len(packet) + 2).to_bytes(2, "big") + packet + b"\xff\xd9"
    assert _finding(Answer(body=jpeg))[0] == "opted-out"
