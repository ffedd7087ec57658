import re

import numpy as np
import pytest

from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.facts.measures import embedding_facts, quality_facts
from byline.pipelines.facts.similar_search import is_compared, read_similar, search_similar, write_similar
from byline.pipelines.rights.takedown.removing import Doomed, remove

MODEL = "a-model-1-00000000"


def parts():
    return [PackPart(pack=f"s-{n:05d}", records_path="unused", row_group=n, num_records=0) for n in range(2)]


def measure(store, vectors, *, first=0, contrast=0.5, without=None):
    """Add pictures with these vectors to the packs in turn, named by their place."""
    for number, part in enumerate(parts()):
        places = [place for place in range(number, len(vectors), 2) if place != without]
        mine = [(f"{first + place:064x}", vectors[place]) for place in places]
        embedding_facts(store, MODEL).append(part.pack, [{"sha256": name, "vector": one} for name, one in mine])
        quality = {"sharpness": 1.0, "flatness": 0.0, "contrast": contrast, "spread": 200}
        quality_facts(store).append(part.pack, [{"sha256": name, **quality} for name, _ in mine])


def a_vector(*numbers):
    """Return a unit vector as it is stored."""
    return (np.array(numbers) / np.linalg.norm(numbers)).astype("<f2").tobytes()


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


def test_pictures_of_any_two_packs_are_compared(store):
    measure(store, [a_vector(1, 0, 0), a_vector(1, 0.5, 0), a_vector(0, 0, 1)])
    found = search_similar(store, parts(), MODEL).to_pylist()
    assert [(int(row["a"], 16), int(row["b"], 16), round(row["cosine"], 2)) for row in found] == [(0, 1, 0.89)]


def test_plain_pictures_are_left_out(store):
    measure(store, [a_vector(1, 0), a_vector(1, 0)], contrast=0.1)
    assert len(search_similar(store, parts(), MODEL)) == 0


def test_what_was_compared_is_read_until_there_are_more_vectors(store):
    measure(store, [a_vector(1, 0), a_vector(1, 0)])
    assert not is_compared(store, parts(), MODEL)
    write_similar(store, parts(), MODEL)
    assert is_compared(store, parts(), MODEL)
    measure(store, [a_vector(1, 0)], first=2)
    assert not is_compared(store, parts(), MODEL)
    assert len(read_similar(store, parts(), MODEL)) == 2


@pytest.mark.parametrize("taken", range(4))
def test_after_a_takedown_the_pairs_are_those_of_a_corpus_that_never_had_it(tmp_path, taken):
    vectors = [a_vector(1, 0, 0), a_vector(1, 0, 0), a_vector(1, 0.5, 0), a_vector(0, 0, 1)]
    store, other = Store(f"{tmp_path}/with"), Store(f"{tmp_path}/without")
    measure(store, vectors)
    write_similar(store, parts(), MODEL)
    measure(other, vectors, without=taken)
    empty = dict.fromkeys(("record_ids", "texts", "captions", "codes"), frozenset())
    packs = tuple(part.pack for part in parts())
    list(remove(store, Doomed(**empty, sha256s=frozenset({f"{taken:064x}"}), packs=packs)))
    assert read_similar(store, parts(), MODEL).equals(search_similar(other, parts(), MODEL))


@pytest.mark.parametrize(
    ("damaged", "said"),
    [
        (None, "1 of them are missing"),
        (a_vector(1, 0, 0), "they have 4 and 6 bytes"),
        (b"abc", "they have 3 and 4 bytes"),
        (np.array([np.nan, 0], "<f2").tobytes(), "1 of them have another length than 1"),
        (np.array([2, 0], "<f2").tobytes(), "1 of them have another length than 1"),
    ],
)
def test_damaged_vectors_are_told_and_never_passed_over(store, damaged, said):
    measure(store, [a_vector(1, 0), a_vector(1, 0), damaged])
    with pytest.raises(CorpusError, match=re.escape(f"s-00000.*.parquet holds damaged vectors ({said}); delete these")):
        search_similar(store, parts(), MODEL)
