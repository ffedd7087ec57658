import numpy as np
import pytest

from byline.dedup.band_ring import RINGS, first_band_of, limits_of
from byline.dedup.banding import promised_recall
from byline.dedup.neighbors import PAIR, NearIndex, first_of_equals, near_pairs


def random_codes(num_codes: int, seed: int = 0, *, num_bytes: int = 32) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (num_codes, num_bytes), dtype=np.uint8)


def changed(codes: np.ndarray, num_bits: np.ndarray) -> np.ndarray:
    """Flip so many bits of each code."""
    rng, bits = np.random.default_rng(1), np.unpackbits(codes, axis=1)
    for row, times in zip(bits, num_bits, strict=True):
        row[rng.choice(len(row), times, replace=False)] ^= 1
    return np.packbits(bits, axis=1)


def with_planted(codes: np.ndarray, num_planted: int, most_bits: int) -> np.ndarray:
    """Add codes that differ from one of `codes` in 1 to `most_bits` bits, then shuffle."""
    rng = np.random.default_rng(1)
    originals = codes[rng.integers(0, len(codes), num_planted)]
    copies = changed(originals, rng.integers(1, most_bits + 1, num_planted))
    return rng.permutation(np.concatenate([codes, copies]))


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
PLANTED_64 = with_planted(random_codes(900, num_bytes=8), 900, most_bits=12)


@pytest.mark.slow
@pytest.mark.parametrize("radius_bits", range(32))
def test_pairs_are_those_of_brute_force(radius_bits):
    expected = brute_force(PLANTED, radius_bits)
    np.testing.assert_array_equal(near_pairs(PLANTED, radius_bits=radius_bits), expected)


@pytest.mark.parametrize("radius_bits", range(9))
def test_pairs_of_short_codes_are_those_of_brute_force(radius_bits):
    expected = brute_force(PLANTED_64, radius_bits)
    np.testing.assert_array_equal(near_pairs(PLANTED_64, radius_bits=radius_bits), expected)


@pytest.mark.slow
@pytest.mark.parametrize("distance", [12, 20, 21, 26, 31])
def test_the_promised_recall_is_kept(distance):
    originals = random_codes(20_000)
    copies = changed(originals, np.full(len(originals), distance))
    found = len(near_pairs(np.concatenate([originals, copies]), radius_bits=31)) / len(originals)
    assert found >= promised_recall(256, distance) - 3 * np.sqrt((1 - promised_recall(256, distance)) / len(originals))


@pytest.mark.slow
def test_nothing_is_missed_within_the_exact_distance():
    assert [promised_recall(256, bits) == 1 for bits in (20, 21)] == [True, False]
    assert [promised_recall(64, bits) == 1 for bits in (8, 9)] == [True, False]
    assert 0.9995 < promised_recall(256, 31) < promised_recall(256, 26) < 1


@pytest.mark.parametrize("radius_bits", [1, 3, 31])
def test_crowded_buckets_lose_nothing(radius_bits):
    codes = clumped_codes(600)
    expected = brute_force(codes, radius_bits)
    np.testing.assert_array_equal(near_pairs(codes, radius_bits=radius_bits), expected)


def test_how_a_search_is_divided_does_not_change_the_pairs(monkeypatch):
    whole = near_pairs(PLANTED, radius_bits=31)
    monkeypatch.setattr("byline.dedup.neighbors.GATHERED_CODES", 100)
    np.testing.assert_array_equal(near_pairs(PLANTED, radius_bits=31), whole)


@pytest.mark.slow
@pytest.mark.parametrize(("codes", "radius_bits"), [(PLANTED, 31), (PLANTED, 12), (PLANTED_64, 8)])
@pytest.mark.parametrize("num_streamed", [97, 1 << 18])
def test_few_against_many_finds_what_a_search_from_nothing_finds(monkeypatch, codes, radius_bits, num_streamed):
    monkeypatch.setattr("byline.dedup.neighbors.STREAMED_CODES", num_streamed)
    whole = near_pairs(codes, radius_bits=radius_bits)
    between = whole[(whole["i"] < 1500) & (whole["j"] >= 1500)]
    found = NearIndex(codes[1500:], radius_bits=radius_bits).pairs_with(codes[:1500])
    found["j"] += 1500
    assert len(between) > 50
    np.testing.assert_array_equal(found, between)


@pytest.mark.parametrize(("num_bytes", "radius_bits"), [(32, 31), (32, 16), (32, 15), (8, 8), (8, 4)])
def test_whatever_bits_differ_within_the_radius_some_band_of_the_ring_tells(num_bytes, radius_bits):
    ring, limits = RINGS[8 * num_bytes], limits_of(8 * num_bytes, radius_bits)
    differing = np.zeros((2000, 4), np.uint64)
    bytes_differing = differing.view(np.uint8)[:, :num_bytes]
    bytes_differing[:] = changed(bytes_differing, np.full(len(differing), radius_bits))
    assert all(first_band_of(one[None], ring, limits) >= 0 for one in differing)


def test_bits_that_differ_evenly_are_told_by_one_band_of_the_ring_only():
    differing = np.zeros((1, 4), np.uint64)
    for band, pieces in enumerate(RINGS[256]):
        word, first_bit, _ = (int(number) for number in pieces[0])
        differing[0, word] |= np.uint64((1 if band == 7 else 3) << first_bit)  # 31 bits: 2 in each band but one
    assert first_band_of(differing, RINGS[256], limits_of(256, 31)) == 7
    assert first_band_of(differing, RINGS[256], limits_of(256, 15)) == -1


def test_an_index_pairs_equal_codes_too():
    codes = np.repeat(random_codes(1), 3, axis=0)
    assert NearIndex(codes[:2], radius_bits=0).pairs_with(codes).tolist() == [
        (0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 0, 0), (2, 1, 0)
    ]  # fmt: skip


@pytest.mark.parametrize("num_few", [0, 1])
@pytest.mark.parametrize("num_many", [0, 1])
def test_an_index_may_be_empty(num_few, num_many):
    found = NearIndex(random_codes(num_few), radius_bits=31).pairs_with(random_codes(num_many))
    assert len(found) == num_few * num_many


def test_the_first_of_equals_is_found_among_codes_with_equal_words():
    codes = np.random.default_rng(0).integers(0, 2, (500, 32), dtype=np.uint8)
    codes[:, 3:] = 0
    codes[::7, 31] = 1  # two codes may have three words in common
    seen: dict[bytes, int] = {}
    assert first_of_equals(codes).tolist() == [seen.setdefault(code.tobytes(), row) for row, code in enumerate(codes)]


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
    with pytest.raises(ValueError, match=f"radius_bits must be 0 to 31 for codes of 256 bits, got {radius_bits}"):
        near_pairs(random_codes(2), radius_bits=radius_bits)


def test_codes_of_another_type_are_refused():
    with pytest.raises(ValueError, match="codes must be uint8 of shape"):
        near_pairs(np.zeros((3, 32), np.int64), radius_bits=4)


def test_codes_of_another_length_are_refused():
    with pytest.raises(ValueError, match="no search for codes of 128 bits; they have 64 or 256"):
        near_pairs(np.zeros((3, 16), np.uint8), radius_bits=4)


def test_codes_of_two_lengths_are_not_compared():
    with pytest.raises(ValueError, match="codes of 64 bits cannot be compared with an index of 256"):
        NearIndex(random_codes(2), radius_bits=4).pairs_with(random_codes(2, num_bytes=8))
