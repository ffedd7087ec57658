import json

import pytest

from byline.catalog.corpora.records import LeftOut, UnreadableRow
from byline.catalog.errors import SourceError
from byline.pipelines.sources.readers import READERS
from byline.pipelines.sources.readers.commons import read_commons
from byline.pipelines.sources.readers.openverse import read_openverse
from byline.pipelines.sources.readers.options import AS_IT_IS
from byline.pipelines.sources.readers.yfcc import read_yfcc
from tests.builders import a_yfcc_line


def _commons_page(**overrides):
    said = {"Artist": "<a href='//x'>Ada&nbsp;L.</a>", "LicenseShortName": "CC BY-SA 3.0", "UsageTerms": ""}
    info = {"url": "http://x/a.jpg", "descriptionurl": "http://x/File:A.jpg", "width": 4, "height": 3}
    info["extmetadata"] = {key: {"value": value} for key, value in said.items()}
    return {"pageid": 7, "title": "File:A.jpg", "imageinfo": [info], **overrides}


def _saved(tmp_path, content):
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(content))
    return str(path)


def test_commons_values_lose_their_html_and_licenses_stay_as_written(tmp_path):
    answer = {"curtimestamp": "2026-01-02T00:00:00Z", "query": {"pages": {"7": _commons_page()}}}
    (record,) = read_commons(_saved(tmp_path, answer), "commons")
    assert (record.record_id, record.creator, record.title) == ("commons:M7", "Ada L.", "File:A.jpg")
    assert record.license_claims == (("LicenseShortName", "CC BY-SA 3.0"),)
    assert record.evidence.retrieved_at == "2026-01-02T00:00:00Z"


def test_a_commons_page_without_an_image_is_kept_as_unreadable(tmp_path):
    answer = {"query": {"pages": {"7": _commons_page(imageinfo=[])}}}
    assert list(read_commons(_saved(tmp_path, answer), "c")) == [
        UnreadableRow(place="answer 1, page 1", problem="no imageinfo")
    ]


def test_an_empty_extmetadata_is_a_list_and_claims_nothing(tmp_path):
    page = _commons_page()
    page["imageinfo"][0]["extmetadata"] = []
    (record,) = read_commons(_saved(tmp_path, {"query": {"pages": {"7": page}}}), "c")
    assert (record.license_claims, record.creator) == ((), None)


def test_a_null_is_no_creator(tmp_path):
    page = _commons_page()
    page["imageinfo"][0]["extmetadata"]["Artist"] = {"value": None}
    (record,) = read_commons(_saved(tmp_path, {"query": {"pages": [page]}}), "c")
    assert record.creator is None


@pytest.mark.parametrize(
    "change",
    [
        {"id": None},
        {"url": 3},
        {"title": "half \ud83d"},
        {"width": "300"},
        {"width": 2**31},
        {"creator_url": ["x"]},
        {"tags": ["x"]},
        {"tags": [{"name": None}]},
    ],
)
def test_a_result_of_another_kind_is_unreadable_and_the_next_one_is_read(tmp_path, change):
    good = {"id": "i", "url": "http://x/a"}
    bad, after = read_openverse(_saved(tmp_path, [{"results": [{**good, **change}, good]}]), "ov")
    if change == {"title": "half \ud83d"}:
        assert bad.title == "half"
    else:
        assert bad.place == "answer 1, result 1"
    assert after.id == "i"


def test_openverse_slug_and_version_are_one_claim(tmp_path):
    result = {"id": "i", "url": "http://x/a", "license": "by-sa", "license_version": "4.0", "license_url": None}
    (record,) = read_openverse(_saved(tmp_path, [{"results": [result]}]), "ov")
    assert record.license_claims == (("license", "by-sa 4.0"),)
    assert record.evidence.place == "answer 1, result 1"


def test_yfcc_text_is_decoded_and_videos_are_left_out(tmp_path):
    path = tmp_path / "y.tsv"
    video = a_yfcc_line("2", "http://x/2", marker="1")
    path.write_text(a_yfcc_line("1", "http://x/1", title="Caf%C3%A9+%00noir") + "\n" + video + "\n")
    record, left_out = read_yfcc(str(path), "y")
    assert (record.title, left_out) == ("Café noir", LeftOut(kind="video"))


def test_a_yfcc_line_of_another_width_is_counted_with_its_number(tmp_path):
    path = tmp_path / "y.tsv"
    path.write_text(a_yfcc_line("1", "http://x/1") + "\nonly\ttwo\n")
    assert list(read_yfcc(str(path), "y"))[1] == UnreadableRow(place="line 2", problem="2 columns; expected 23")


@pytest.mark.parametrize("reader", READERS)
def test_a_missing_file_is_told(reader, tmp_path):
    with pytest.raises(SourceError, match="no source file at .*none; check `path`"):
        list(READERS[reader](str(tmp_path / "none"), "s", AS_IT_IS))


@pytest.mark.parametrize("reader", ["commons", "openverse"])
def test_a_file_that_is_not_json_is_told(reader, tmp_path):
    (tmp_path / "x").write_text("<html>")
    with pytest.raises(SourceError, match="is not JSON"):
        list(READERS[reader](str(tmp_path / "x"), "s", AS_IT_IS))
