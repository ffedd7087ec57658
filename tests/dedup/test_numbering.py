import numpy as np
import pytest

from byline.dedup import numbering
from byline.dedup.numbering import num_of, numbered


@pytest.fixture(autouse=True, params=["few rows", "many rows"])
def way(request, monkeypatch):
    """Number by both ways, whatever the number of rows."""
    monkeypatch.setattr(numbering, "FEW", numbering.FEW if request.param == "few rows" else 0)


def _rows(*letters):
    return np.frombuffer("".join(letter * 32 for letter in letters).encode(), np.uint8).reshape(-1, 32)


def test_equal_rows_of_all_blocks_have_one_number_in_the_order_of_first_coming():
    found = numbered(_rows(*"cac"), _rows(), _rows(*"bc"), _rows(*"ab"))
    assert [numbers.tolist() for numbers in found] == [[0, 1, 0], [], [2, 0], [1, 2]]
    assert [num_of(*found[:count]) for count in range(5)] == [0, 2, 2, 3, 3]


def test_rows_that_differ_in_one_bit_anywhere_have_numbers_of_their_own():
    rows = np.concatenate([np.zeros((1, 64), np.uint8), np.packbits(np.eye(512, dtype=np.uint8), axis=1)])
    assert numbered(rows)[0].tolist() == list(range(513))


def test_no_rows_have_no_numbers():
    assert [len(numbers) for numbers in numbered(_rows(), _rows())] == [0, 0]
