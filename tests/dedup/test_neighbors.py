import time

import numpy as np
import pytest

from dedup.neighbors import PAIR, near_pairs


def random_codes(num_codes: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_codes, 32), dtype=np.uint8)


def with_planted(codes: np.ndarray, num_planted: int, most_bits: int) -> np.ndarray:
    """Add codes that differ from one of `codes` in 1 to `most_bits` bits, then shuffle."""
    rng = np.random.default_rng(1)
    bits = np.unpackbits(codes[rng.integers(0, len(codes), num_planted)], axis=1)
    for row in bits:
        row[rng.choice(256, rng.integers(1, most_bits + 1), replace=False)] ^= 1
    return rng.permutation(np.concatenate([codes, np.packbits(bits, axis=1)]))


def clumped_codes(num_codes: int) -> np.ndarray:
    """Codes whose first 224 bits are equal: every band but two is one single bucket."""
    codes = np.zeros((num_codes, 32), dtype=np.uint8)
    numbers = np.arange(num_codes, dtype=np.uint32)
    codes[:, 28:] = numbers.view(np.uint8).reshape(-1, 4)
    return codes


def brute_force(codes: np.ndarray, radius_bits: int) -> np.ndarray:
    words = codes.view(np.uint64)
    distances = np.bitwise_count(words[:, None] ^ words[None]).sum(axis=2)
    i, j = np.nonzero(np.triu(distances <= radius_bits, k=1))
    pairs = np.empty(len(i), dtype=PAIR)
    pairs["i"], pairs["j"], pairs["distance"] = i, j, distances[i, j]
    return pairs


PLANTED = with_planted(random_codes(900), 900, most_bits=40)


@pytest.mark.parametrize("radius_bits", range(32))
def test_pairs_are_those_of_brute_force(radius_bits):
    expected = brute_force(PLANTED, radius_bits)
    np.testing.assert_array_equal(near_pairs(PLANTED, radius_bits=radius_bits), expected)


@pytest.mark.parametrize("radius_bits", [1, 3, 31])
def test_crowded_buckets_lose_nothing(radius_bits):
    codes = clumped_codes(600)
    expected = brute_force(codes, radius_bits)
    np.testing.assert_array_equal(near_pairs(codes, radius_bits=radius_bits), expected)


def test_blocks_of_candidates_do_not_change_the_pairs(monkeypatch):
    whole = near_pairs(PLANTED, radius_bits=31)
    monkeypatch.setattr("dedup.neighbors._CANDIDATES_AT_ONCE", 7)
    np.testing.assert_array_equal(near_pairs(PLANTED[:300], radius_bits=31), whole[(whole["j"] < 300)])


def test_equal_codes_pair_with_their_first_only():
    one, other = random_codes(2)
    near = one.copy()
    near[0] ^= 1
    pairs = near_pairs(np.stack([other, one, near, one, near, one]), radius_bits=4)
    assert pairs.tolist() == [(1, 2, 1), (1, 3, 0), (1, 5, 0), (2, 4, 0)]


def test_equal_codes_cost_linear_time():
    codes = np.repeat(random_codes(1), 200_000, axis=0)
    assert len(near_pairs(codes, radius_bits=31)) == 199_999


@pytest.mark.parametrize("num_codes", [0, 1])
def test_too_few_codes_have_no_pairs(num_codes):
    assert len(near_pairs(random_codes(num_codes), radius_bits=31)) == 0


@pytest.mark.parametrize("radius_bits", [-1, 32, 64])
def test_a_radius_that_would_lose_pairs_is_refused(radius_bits):
    with pytest.raises(ValueError, match=f"radius_bits must be 0 to 31, got {radius_bits}"):
        near_pairs(random_codes(2), radius_bits=radius_bits)


@pytest.mark.parametrize("codes", [np.zeros((3, 8), np.uint8), np.zeros((3, 32), np.int64)])
def test_codes_of_another_shape_or_type_are_refused(codes):
    with pytest.raises(ValueError, match="codes must be uint8 of shape"):
        near_pairs(codes, radius_bits=4)


def test_a_hundred_thousand_codes(capsys):
    codes = with_planted(random_codes(97_000), 3_000, most_bits=31)
    started = time.perf_counter()
    pairs = near_pairs(codes, radius_bits=31)
    with capsys.disabled():
        print(f"\n100,000 codes, radius 31: {time.perf_counter() - started:.1f} s")
    assert len(pairs) >= 3_000
