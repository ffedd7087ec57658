"""What is asked for, and its copies, on corpora that real builds made."""

import pytest

from byline.catalog.errors import BylineError, ConfigError
from byline.pipelines.rights.takedown.selecting import Request
from tests.pipelines.rights.takedown.corpora import HOST, selected, smaller

pytestmark = pytest.mark.beam


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({"records": ("test:0",)}, {"0": "asked for"}),
        ({"urls": (f"{HOST}/0.jpg",)}, {"0": "asked for"}),
        ({"urls": (f"{HOST.partition('://')[2].upper()}/%30.jpg#top",)}, {"0": "asked for"}),
        ({"creators": (" gRACE",)}, {"3": "asked for", "4": "asked for"}),
        ({"domains": ("other.example",)}, {}),
        ({"records": ("test:2",), "radius_bits": 0}, {"2": "asked for", "7": "equal bytes"}),
        ({"records": ("test:1",), "radius_bits": 0}, {"1": "asked for"}),
        ({"records": ("test:nobody",)}, {}),
    ],
)
def test_what_is_asked_for_goes_with_its_copies(built, options, chosen):
    assert selected(built[1].store, **options) == chosen


def test_a_domain_takes_all_that_lies_there(built):
    assert set(selected(built[1].store, domains=("pictures.example",))) == set("01234567")


def test_a_smaller_copy_is_near(built):
    chosen = selected(built[1].store, records=("test:1",))
    assert chosen["1"] == "asked for"
    assert chosen["6"].startswith("near: ")
    assert set(chosen) == {"1", "6"}


def test_a_picture_from_outside_is_found_by_its_looks(built, tmp_path):
    outside = tmp_path / "mine.png"
    outside.write_bytes(smaller("PNG"))
    assert set(selected(built[1].store, pictures=(str(outside),))) == {"1", "6"}


def test_asking_for_nothing_is_an_error():
    with pytest.raises(ConfigError, match="name what to take down"):
        Request()
    with pytest.raises(ConfigError, match="0 to 31"):
        Request(records=("a",), radius_bits=64)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"records": ("test:1", " ")}, r"--record is blank"),
        ({"creators": ("",)}, r"--creator is blank"),
        ({"sha256s": ("\t",)}, r"--sha256 is blank"),
        ({"domains": ("https://a.org/x",)}, r"--domain takes a host such as example\.org, got 'https://a\.org/x'"),
        ({"domains": ("a.org:80",)}, r"--domain takes a host"),
        ({"domains": (".",)}, r"--domain takes a host"),
    ],
)
def test_what_cannot_be_asked_for_is_one_clear_line(options, message):
    with pytest.raises(ConfigError, match=message):
        Request(**options)


def test_a_picture_that_cannot_be_read_is_one_line(corpus, tmp_path):
    store, _, _ = corpus
    with pytest.raises(ConfigError, match="cannot read the picture"):
        selected(store, pictures=(str(tmp_path / "nowhere.jpg"),))
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(BylineError, match="no picture"):
        selected(store, pictures=(str(tmp_path / "text.jpg"),))
