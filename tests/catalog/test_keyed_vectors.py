"""Vectors under a key keep their cosines and tell nothing else."""

import numpy as np
import pytest

from byline.catalog.denylists.denylist import Entry
from byline.catalog.denylists.keyed_vectors import turn
from byline.catalog.denylists.lists import add_entries, load_denylist
from byline.catalog.disk.storage import Store

UNITS = np.random.default_rng(0).standard_normal((6, 128))
UNITS = (UNITS / np.linalg.norm(UNITS, axis=1, keepdims=True)).astype("<f2")


def test_cosines_stay_and_numbers_do_not():
    turned = turn(b"key", UNITS)
    assert np.allclose(turned @ turned.T, UNITS.astype(np.float32) @ UNITS.astype(np.float32).T, atol=2e-3)
    assert np.abs(np.sort(np.abs(turned[0])) - np.sort(np.abs(UNITS[0].astype(np.float32)))).max() > 0.005
    assert not np.allclose(turned, turn(b"another key", UNITS), atol=0.05)


@pytest.mark.parametrize(
    ("instrument", "cosine", "denied"), [("m-1", 0.72, True), ("m-1", 0.68, False), ("m-2", 1.0, False)]
)
def test_a_vector_is_denied_from_a_cosine_on_and_only_by_its_own_instrument(tmp_path, instrument, cosine, denied):
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind="vector", value="m-1", vector=UNITS[0].tobytes().hex())])
    first = UNITS[0].astype(np.float64)
    across = UNITS[1] - (UNITS[1] @ first) * first
    offered = cosine * first + (1 - cosine**2) ** 0.5 * across / np.linalg.norm(across)
    assert load_denylist(store).alike(instrument, offered[None], 0.7).tolist() == [denied]


def test_a_list_without_vectors_has_the_name_that_it_had(tmp_path):
    store = Store(str(tmp_path))
    store.write_bytes("denylist/key", b"0" * 64)
    name = add_entries(store, [Entry(kind="record", value="test:1")])
    assert store.read_table(f"denylist/{name}.parquet").column_names == ["kind", "keyed", "radius_bits"]
    assert load_denylist(store).alike("m-1", UNITS, 0.7).tolist() == [False] * 6
