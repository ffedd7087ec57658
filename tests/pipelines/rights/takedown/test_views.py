"""Mirrored, turned and framed copies of what is taken down: found, shown, and kept out."""

import shutil
from pathlib import Path

import pytest
from bs4 import BeautifulSoup
from PIL import Image, ImageOps
from typer.testing import CliRunner

from byline.catalog.disk.storage import Store
from byline.cli.main import app
from byline.pipelines.beam.build import build
from tests.builders import a_yfcc_line, encoded, write_corpus
from tests.pipelines.rights.takedown.corpora import HOST, PHOTO, selected, take_down

pytestmark = pytest.mark.beam

OTHER = Path("samples/photographs/lomiri-wine-by-jakkub-mede.jpg")
CHANGED = {
    "mirrored": ImageOps.mirror,
    "turned": lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    "framed": lambda photo: ImageOps.expand(photo, 40, "white"),
    "both": lambda photo: ImageOps.expand(ImageOps.mirror(photo), 40, "black"),
}
VIEWS = {"mirrored": "turned", "turned": "turned", "framed": "trimmed", "both": "trimmed and turned"}


def _write(folder, source, names):
    """Write a corpus of these pictures; sources have URLs of their own."""
    (folder / "pictures").mkdir(parents=True)
    with Image.open(PHOTO) as opened:
        photo = opened.convert("RGB")
    data = {"photo": PHOTO.read_bytes(), "other": OTHER.read_bytes()}
    data |= {name: encoded(change(photo), quality=80) for name, change in CHANGED.items()}
    for name in names:
        (folder / f"pictures/{name}.jpg").write_bytes(data[name])
    config = write_corpus(folder, [a_yfcc_line(name, f"https://{source}.example/{name}.jpg") for name in names])
    said = config.read_text().replace(HOST, f"https://{source}.example")
    config.write_text(said.replace('name = "test"', f'name = "{source}"'))
    return config


def _reasons(release):
    """Return the reasons against each picture."""
    names = [name for name in release.manifest.papers if name.startswith("verdicts/")]
    verdicts = [row for name in names for row in release.store.read_table(f"{release.path}/{name}").to_pylist()]
    return {row["record_id"].partition(":")[2]: row["reasons"] for row in verdicts}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    return folder, build(str(_write(folder, "test", ["photo", "other", *CHANGED])), workers=1)


@pytest.fixture
def store(built, tmp_path):
    """Return a corpus of one's own."""
    shutil.copytree(built[0] / "corpus", tmp_path / "corpus")
    return Store(str(tmp_path / "corpus"))


def _hold_to(config, store):
    config.write_text(f'denylists = ["{store.root}"]\n' + config.read_text())
    return str(config)


@pytest.mark.parametrize("asked", ["photo", "both"])
def test_changed_copies_are_proposed_and_say_by_which_view(built, asked):
    chosen = selected(built[1].store, records=(f"test:{asked}",))
    assert set(chosen) == {"photo", *CHANGED}
    if asked == "photo":
        for name, view in VIEWS.items():
            assert chosen[name].startswith("near: ")
            assert chosen[name].endswith(f", {view}")


@pytest.mark.parametrize("options", [{"views": False}, {"radius_bits": 0}])
def test_changed_copies_stay_where_one_says_so(built, options):
    assert selected(built[1].store, records=("test:photo",), **options) == {"photo": "asked for"}


@pytest.mark.parametrize(("option", "num"), [("--views", 5), ("--no-views", 1)])
def test_the_page_shows_each_copy_and_the_view_in_which_it_is_one(built, tmp_path, option, num):
    page, corpus = tmp_path / "takedown.html", str(built[0] / "corpus")
    arguments = ["takedown", "find", "--corpus", corpus, "--record", "test:photo", "--page", str(page), option]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    said = [reason.get_text() for reason in BeautifulSoup(page.read_text(), "html.parser").select(".case .reason")]
    assert (len(said), said[0]) == (num, "asked for")
    assert {one.partition(", ")[2] for one in said[1:]} == (set(VIEWS.values()) if num > 1 else set())


def test_a_changed_copy_is_refused_when_it_is_fetched(store, tmp_path):
    take_down(store, records=("test:photo",))
    config = _write(tmp_path / "more", "more", ["other", *CHANGED])
    reasons = _reasons(build(_hold_to(config, store), workers=1))
    assert {name for name, why in reasons.items() if why == ["fetch:denied"]} == set(CHANGED)
    assert reasons["other"] == []


@pytest.mark.slow
def test_a_changed_copy_that_was_fetched_before_is_refused(store, tmp_path):
    config = _write(tmp_path / "more", "more", ["other", *CHANGED])
    build(str(config), workers=1)
    take_down(store, records=("test:photo",))
    reasons = _reasons(build(_hold_to(config, store), workers=1))
    assert {name for name, why in reasons.items() if "denied:taken-down" in why} == set(CHANGED)
    assert reasons["other"] == []


def test_copies_that_a_takedown_left_are_not_refused_later(store, tmp_path):
    take_down(store, records=("test:photo",), views=False)
    config = _write(tmp_path / "more", "more", ["other", *CHANGED])
    reasons = [why for names in _reasons(build(_hold_to(config, store), workers=1)).values() for why in names]
    assert not [why for why in reasons if "denied" in why]
