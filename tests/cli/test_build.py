import pytest

from byline.cli.build import _searched


@pytest.mark.parametrize(
    ("radius_bits", "promised", "said"),
    [
        (12, 1.0, "every pair of hashes up to 12 bits apart was found"),
        (24, 0.99997, "at least 0.9999 of all pairs of hashes up to 24 bits apart was found"),
        (31, 0.99974, "at least 0.9997 of all pairs of hashes up to 31 bits apart was found"),
    ],
)
def test_a_build_says_no_more_than_its_search_promises(radius_bits, promised, said):
    assert _searched(radius_bits, promised) == said
