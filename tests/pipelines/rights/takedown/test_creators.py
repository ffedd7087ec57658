"""Who is meant by `--creator`: a page may be written as browsers show it, and then counts as a name and as a page."""

import pytest

from byline.catalog.corpora.parts import write_records
from byline.catalog.corpora.records import records_table
from byline.catalog.disk.storage import Store
from byline.pipelines.rights.takedown.creators import chosen_creators
from tests.builders import a_record


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path))
    records = [
        a_record(id="0", creator="Ada L.", creator_url="https://photos.example/ada/"),
        a_record(id="1", creator="j.doe/AP", creator_url=None),
    ]
    write_records(store, "records/test/a.parquet", records_table(records, num_packs=1))
    return store


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Ada L.", ["Ada L."]),
        ("https://photos.example/ada", ["https://photos.example/ada"]),
        ("photos.example/ada/", ["photos.example/ada/", "https://photos.example/ada/"]),
        ("J.Doe/AP", ["J.Doe/AP", "https://J.Doe/AP"]),
        ("photos.example/eve", ["photos.example/eve", "https://photos.example/eve"]),
    ],
)
def test_a_page_without_its_scheme_is_a_name_and_a_page(store, said, meant):
    assert chosen_creators(store, [said], exactly=False, ask=None) == meant
    assert chosen_creators(store, [said], exactly=True, ask=None) == [said]


def test_part_of_a_page_is_asked_about(store):
    asked = []

    def ask(question):
        asked.append(question)
        return "1"

    assert chosen_creators(store, ["photos.example"], exactly=False, ask=ask) == ["Ada L."]
    assert len(asked) == 1
