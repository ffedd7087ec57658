import random

from PIL import Image

from dedup.colors import color_distances, color_grid
from dedup.keepers import Fingerprint, choose_keepers
from tests.builders import a_picture

GRAY = b"\x80" * 48


def a_print(letter, colors=GRAY):
    return Fingerprint(code=letter.encode(), colors=colors)


def _near(*edges):
    near = {}
    for a, b, distance in edges:
        near.setdefault(a.encode(), []).append((b.encode(), distance))
        near.setdefault(b.encode(), []).append((a.encode(), distance))
    return near


def _keepers(letters, near):
    limits = {"max_luma_distance": 60, "max_chroma_distance": 10}
    return [a.keeper for a in choose_keepers([a_print(x) for x in letters], near, **limits)]


def test_a_chain_does_not_become_one_cluster():
    assert _keepers("ABC", _near(("A", "B", 4), ("B", "C", 4))) == [0, 0, 2]


def test_leaving_out_a_keeper_promotes_the_next():
    near = _near(("A", "B", 4), ("A", "C", 4), ("B", "C", 2))
    assert _keepers("ABC", near) == [0, 0, 0]
    assert _keepers("BC", near) == [0, 0]


def test_every_picture_is_near_its_keeper_and_keepers_are_apart():
    letters = [chr(i) for i in range(65, 95)]
    rng = random.Random(1)
    edges = [(a, b, 2) for i, a in enumerate(letters) for b in letters[:i] if rng.random() < 0.15]
    near = _near(*edges)
    keepers = _keepers(letters, near)
    linked = {frozenset(edge[:2]) for edge in edges}
    for place, keeper in enumerate(keepers):
        assert keeper == place or frozenset((letters[place], letters[keeper])) in linked
    kept = [letters[p] for p, k in enumerate(keepers) if p == k]
    assert not any(frozenset((a, b)) in linked for a in kept for b in kept)


def test_equal_codes_cost_one_comparison_each():
    assert set(_keepers("A" * 50_000, {})) == {0}


def test_a_darker_copy_keeps_its_chroma():
    picture = a_picture(1)
    luma, chroma = color_distances(color_grid(picture), color_grid(picture.point(lambda value: int(value * 0.8))))
    assert 10 < luma < 64
    assert chroma < 24


def test_swapped_colors_do_not_keep_their_chroma():
    picture = a_picture(1)
    swapped = Image.merge("RGB", picture.split()[::-1])
    assert color_distances(color_grid(picture), color_grid(swapped))[1] > 24
