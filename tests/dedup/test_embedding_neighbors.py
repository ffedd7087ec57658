import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byline.catalog.errors import ConfigError
from byline.dedup.embedding import neighbors
from byline.dedup.embedding.neighbors import similar_pairs, similar_to


def vectors(count, *, seed=0, dim=16):
    """Unit vectors of which the second half are noisy copies of the first."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, dim))
    half = count // 2
    values[half : 2 * half] = values[:half] + random.normal(0, 0.3, (half, dim))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def brute(left, right, min_cosine):
    left, right = left.astype(float), right.astype(float)
    left, right = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (left, right))
    return {(int(i), int(j)) for i, j in np.argwhere((left @ right.T).astype(np.float32) >= np.float32(min_cosine))}


def rows(pairs):
    return [(int(i), int(j)) for i, j in zip(pairs["i"], pairs["j"], strict=True)]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), count=st.integers(0, 70), min_cosine=st.floats(0.05, 0.99))
def test_pairs_are_those_of_a_search_of_everything(seed, count, min_cosine):
    values = vectors(count, seed=seed)
    expected = sorted((i, j) for i, j in brute(values, values, min_cosine) if i < j)
    assert rows(similar_pairs(values, min_cosine=min_cosine)) == expected


@pytest.mark.parametrize("block", [1, 7, 10_000])
def test_blocks_change_nothing(block, monkeypatch):
    values = vectors(300)
    expected = similar_pairs(values, min_cosine=0.6)
    monkeypatch.setattr(neighbors, "_BLOCK", block)
    monkeypatch.setattr(neighbors, "_PAIRS", block)
    assert np.array_equal(similar_pairs(values, min_cosine=0.6), expected)


def test_threads_change_nothing():
    import faiss

    values, threads = vectors(3000), faiss.omp_get_max_threads()
    found = []
    for count in (1, 2):
        faiss.omp_set_num_threads(count)
        found.append(similar_pairs(values, min_cosine=0.6))
    faiss.omp_set_num_threads(threads)
    assert np.array_equal(*found)


def test_a_hundred_thousand_equal_vectors_cost_a_pair_each():
    values = np.repeat(vectors(2), 100_000, axis=0)
    pairs = similar_pairs(values, min_cosine=0.999)
    assert len(pairs) == 2 * 99_999
    assert set(pairs["i"].tolist()) == {0, 100_000}


def test_copies_of_one_vector_pair_with_the_first_alone():
    values = vectors(6)[[0, 3, 0, 0, 5]]
    assert rows(similar_pairs(values, min_cosine=0.7)) == [(0, 1), (0, 2), (0, 3)]


def test_old_with_new_completes_the_search():
    values = vectors(200)
    old, new = values[:120], values[120:]
    between = [(i, j + 120) for i, j in rows(similar_to(old, new, min_cosine=0.6))]
    within = [(i + 120, j + 120) for i, j in rows(similar_pairs(new, min_cosine=0.6))]
    everything = rows(similar_pairs(old, min_cosine=0.6)) + between + within
    assert sorted(everything) == rows(similar_pairs(values, min_cosine=0.6))


@pytest.mark.parametrize(("old", "new"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_is_near_nothing(old, new):
    assert len(similar_to(vectors(6)[:old], vectors(6)[:new], min_cosine=0.5)) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((2, 4), np.float16), "vector 0 has length 0.000"),
        (np.full((2, 4), np.nan, np.float16), "vector 0 has length nan"),
        (np.ones((2, 4), np.float32), "must be float16"),
        (np.ones(4, np.float16), "must be float16"),
    ],
)
def test_a_damaged_column_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        similar_pairs(values, min_cosine=0.9)


def test_vectors_of_two_instruments_do_not_compare():
    with pytest.raises(ValueError, match="embed both with one instrument"):
        similar_to(vectors(4, dim=8), vectors(4, dim=16), min_cosine=0.9)


@pytest.mark.parametrize("min_cosine", [0, -0.5, 1.01, float("nan")])
def test_a_threshold_that_means_nothing_is_refused(min_cosine):
    with pytest.raises(ValueError, match="min_cosine must be above 0"):
        similar_pairs(vectors(4), min_cosine=min_cosine)


def test_a_threshold_that_finds_everything_is_told(monkeypatch):
    monkeypatch.setattr(neighbors, "_MAX_PAIRS", 10)
    with pytest.raises(ConfigError, match="more than 10 pairs of pictures have a cosine of 0.01 or more"):
        similar_pairs(vectors(40), min_cosine=0.01)


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("byline.catalog.configs.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'byline\[embedding\]'"):
        similar_pairs(vectors(4), min_cosine=0.9)
