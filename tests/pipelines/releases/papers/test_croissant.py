"""croissant.json, as mlcroissant reads it: what it says of the metadata, and the records it loads from a folder."""

import importlib
import json
import logging

import pytest

from byline.pipelines.releases.papers.account import Publication
from byline.pipelines.releases.papers.croissant import croissant_json
from tests.pipelines.releases.papers.accounts import EVIL, a_credit, a_release_folder, a_source, an_account

ROWS = [a_credit(0), a_credit(1, license="CC-BY-SA-4.0"), a_credit(2, license="LicenseRef-public-domain", creator=None)]
PUBLISHED = Publication(url="https://data.example/small", publisher="A Museum", date="2026-01-02")
UNDATED = 'Property "https://schema.org/datePublished" is recommended, but does not exist.'


@pytest.fixture
def mlcroissant(tmp_path, monkeypatch):
    """The library, with its cache in a folder of the test's own."""
    module = pytest.importorskip("mlcroissant")
    for name in ("DOWNLOAD_PATH", "EXTRACT_PATH"):
        place = type(module._src.core.constants.EXTRACT_PATH)(tmp_path / name)
        monkeypatch.setattr(module._src.core.constants, name, place)
        for operation in ("extract", "download"):
            room = importlib.import_module(f"mlcroissant._src.operation_graph.operations.{operation}")
            if hasattr(room, name):
                monkeypatch.setattr(room, name, place)
    return module


def _warnings(mlcroissant, account, caplog):
    caplog.set_level(logging.WARNING)
    metadata = json.loads(croissant_json(account))
    mlcroissant.Dataset(jsonld=metadata)
    return [line.strip() for record in caplog.records for line in record.getMessage().splitlines()[1:]]


def test_what_a_publisher_dated_is_valid_without_a_warning(mlcroissant, caplog):
    assert _warnings(mlcroissant, an_account(*ROWS, publication=PUBLISHED), caplog) == []


def test_without_a_publisher_only_the_date_of_publication_is_lacking(mlcroissant, caplog):
    assert _warnings(mlcroissant, an_account(*ROWS), caplog) == [f"-  [Metadata(small)] {UNDATED}"]


def test_whatever_a_source_says_stays_a_string(mlcroissant, caplog):
    account = an_account(
        a_credit(0, title=EVIL, creator=EVIL),
        sources=(a_source(name=EVIL, reader=EVIL),),
        captioner={"model": EVIL, "revision": EVIL, "prompt": EVIL, "decoding": EVIL},
        changes=EVIL,
        publication=PUBLISHED,
    )
    assert _warnings(mlcroissant, account, caplog) == []


def test_it_loads_credits_pictures_and_captions_of_a_release_on_disk(mlcroissant, tmp_path):
    folder, account = a_release_folder(tmp_path, an_account, ROWS)
    (folder / "croissant.json").write_bytes(croissant_json(account))
    dataset = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    credits = {row["credits/sha256"].decode(): row["credits/license"].decode() for row in dataset.records("credits")}
    pictures = {row["pictures/sha256"].decode(): row for row in dataset.records("pictures")}
    captions = {
        row["captions/sha256"].decode(): row["captions/caption"].decode() for row in dataset.records("captions")
    }
    assert credits == {row["sha256"]: row["license"] for row in ROWS}
    assert {key: row["pictures/license"].decode() for key, row in pictures.items()} == credits
    assert pictures[ROWS[2]["sha256"]]["pictures/creator"] is None
    assert pictures[ROWS[0]["sha256"]]["pictures/image"].size == (96, 64)
    assert captions == {row["sha256"]: f"caption of {row['record_id']}" for row in ROWS}


def test_licenses_are_urls_where_there_are_such():
    metadata = json.loads(croissant_json(an_account(*ROWS)))
    assert metadata["license"][:2] == [
        "https://creativecommons.org/licenses/by/2.0/",
        "https://creativecommons.org/licenses/by-sa/4.0/",
    ]
    assert metadata["license"][2]["name"] == "LicenseRef-public-domain"


@pytest.mark.parametrize(
    ("obligations", "duties", "is_prohibited"),
    [
        ((), [], False),
        (("attribution",), ["cc:Attribution", "cc:Notice"], False),
        (("attribution", "share-alike"), ["cc:Attribution", "cc:Notice", "cc:ShareAlike"], False),
        (("attribution", "non-commercial"), ["cc:Attribution", "cc:Notice"], True),
    ],
)
def test_obligations_are_duties_and_a_prohibition(obligations, duties, is_prohibited):
    offer = json.loads(croissant_json(an_account(obligations=obligations)))["usageInfo"]
    asked = offer["odrl:permission"].get("odrl:duty", [])
    assert [duty["odrl:action"]["@id"] for duty in asked] == duties
    assert ("odrl:prohibition" in offer) == is_prohibited


def test_no_date_stands_in_it_that_no_source_states():
    undated = an_account(sources=(a_source(first_retrieved_at=None, last_retrieved_at=None),))
    metadata = json.loads(croissant_json(undated))
    assert not {"datePublished", "dateCreated", "dateModified", "rai:dataCollectionTimeframe"} & set(metadata)
    dated = json.loads(croissant_json(an_account()))
    assert dated["rai:dataCollectionTimeframe"] == ["2024-05-01T10:00:00Z", "2024-05-03T10:00:00Z"]
