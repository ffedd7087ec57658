"""What is guaranteed of fingerprints: which runs are found, and where that ends."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from byline.pipelines.rights.takedown.windows import (
    SURE_BYTES,
    WINDOW_BYTES,
    Matcher,
    fingerprinted_parts,
    fingerprints,
)
from tests.builders import a_picture, encoded

KEY = b"a key of a corpus"


def _noise(size, seed=0):
    return np.random.default_rng(seed).bytes(size)


def _finds(data, victim, key=KEY):
    return Matcher(fingerprints(victim, key), key).find(data).tolist()


def _plainly(window, key):
    """The formula of the module, a byte at a time."""
    from byline.pipelines.rights.takedown.windows import _drawn

    multiplier, table = _drawn(key)
    value = 0
    for byte in window:
        value = (value * multiplier + int(table[byte])) % 2**64
    return value


def test_a_fingerprint_is_the_formula_in_the_docstring():
    victim = _noise(200)
    expected = sorted(_plainly(victim[start : start + 64], KEY) for start in (0, 64, 128))
    assert fingerprints(victim, KEY).tolist() == expected


def test_rolling_over_bytes_gives_the_same_fingerprints_as_one_window_at_a_time():
    data = _noise(1000)
    wanted = np.unique(np.array([_plainly(data[at : at + 64], KEY) for at in range(0, 937, 7)], np.uint64))
    assert Matcher(wanted, KEY).find(data).tolist() == list(range(0, 937, 7))
    assert np.isin(Matcher(wanted, KEY).values(data, np.array([7, 14])), wanted).all()


@settings(deadline=None, max_examples=200)
@given(
    seed=st.integers(0, 2**32),
    size=st.integers(SURE_BYTES, 3000),
    run=st.integers(SURE_BYTES, 400),
    before=st.integers(0, 300),
    after=st.integers(0, 300),
    data=st.data(),
)
def test_every_run_of_127_bytes_is_found_at_any_offset(seed, size, run, before, after, data):
    victim = _noise(size, seed)
    run = min(run, size)
    start = data.draw(st.integers(0, size - run))
    around = _noise(before + after, seed + 1)
    file = around[:before] + victim[start : start + run] + around[before:]
    # one byte in 256 goes on by chance, and the run is longer then
    assume(start == 0 or before == 0 or file[before - 1] != victim[start - 1])
    assume(start + run == size or after == 0 or file[before + run] != victim[start + run])
    found = _finds(file, victim)
    assert found == [before + at - start for at in range(-(-start // 64) * 64, start + run - 63, 64)]
    assert found


def test_shorter_runs_may_not_be_found():
    victim = _noise(6400)
    found = {run: {bool(_finds(victim[start : start + run], victim)) for start in range(64)} for run in (63, 126, 127)}
    assert found == {63: {False}, 126: {False, True}, 127: {True}}


def test_another_key_finds_nothing():
    victim = _noise(640)
    assert Matcher(fingerprints(victim, b"one"), b"other").find(victim).size == 0


def test_flat_windows_are_left_out():
    flat, busy = bytes(range(23)) * 100, bytes(range(24)) * 100
    assert fingerprints(flat, KEY).size == 0
    assert fingerprints(busy, KEY).size


def test_nothing_reaches_over_a_bound():
    victim = _noise(128)
    bounds = np.array([0, 40, 128])
    assert Matcher(fingerprints(victim, KEY), KEY).find(victim, bounds).tolist() == [64]


def test_a_million_fingerprints_are_found_by_all_their_bits():
    values = np.unique(np.random.default_rng(1).integers(0, 2**64, 1_000_000, dtype=np.uint64))
    victim = _noise(6400)
    mine = fingerprints(victim, KEY)
    matcher = Matcher(np.unique(np.concatenate([values, mine])), KEY)
    assert matcher.find(victim).tolist() == list(range(0, 6400, 64))
    assert matcher.find(_noise(1 << 20, 9)).size == 0


@pytest.mark.parametrize("values", [[2, 1], [1, 1]])
def test_a_matcher_wants_sorted_distinct_values(values):
    with pytest.raises(ValueError, match="sorted, distinct"):
        Matcher(np.array(values, np.uint64), KEY)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}, {"optimize": True}])
def test_of_a_jpeg_only_entropy_coded_data_are_fingerprinted(options):
    data = encoded(a_picture(1, size=(256, 256)), comment=b"\xff\xda" + bytes(range(100)), **options)
    parts = [bytes(part) for part in fingerprinted_parts(data)]
    assert len(parts) > 1 if options.get("progressive") else len(parts) == 1
    assert all(b"\xff\xc4" not in part and b"\xff\xda" not in part for part in parts)
    assert data.endswith(parts[-1] + b"\xff\xd9")


def test_a_jpeg_with_restart_markers_is_one_part():
    data = encoded(a_picture(1, size=(256, 256)), restart_marker_blocks=4)
    (part,) = fingerprinted_parts(data)
    assert b"\xff\xd0" in bytes(part)


def test_pictures_of_one_size_share_no_windows_of_headers():
    first, second = (encoded(a_picture(seed, size=(256, 256)), quality=95) for seed in (1, 2))
    assert len(fingerprints(first, KEY)) > 20
    assert _finds(second, first) == []


@pytest.mark.parametrize("cut", [2, 3, 20, 300, 700])
def test_a_cut_or_strange_jpeg_does_not_raise(cut):
    data = encoded(a_picture(1))
    for odd in (data[:cut], data[:cut] + b"\xff", data + _noise(130), b"\xff\xd8\xff\xff\xff\xda\x00\x00"):
        fingerprints(odd, KEY)
    assert _finds(_noise(130), data + _noise(130)), "what follows the end of a JPEG is fingerprinted"


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_can_be_fingerprinted(data):
    for odd in (data, b"\xff\xd8" + data, b"\xff\xd8\xff\xda" + data):
        assert len(fingerprints(odd, KEY)) <= max(1, len(odd) // WINDOW_BYTES)
