import random
from time import process_time

import numpy as np
import pytest
from PIL import Image

from byline.dedup import keepers
from byline.dedup.colors import color_grid
from byline.dedup.keepers import Looks, choose_keepers, near_codes, similar_pictures
from tests.builders import a_picture

GRAY = b"\x80" * 48
LIMITS = {"max_luma_distance": 60, "max_chroma_distance": 10}


def _near(letters, edges):
    names = sorted(set(letters))
    a, b = (np.array([names.index(edge[side]) for edge in edges], np.int64) for side in (0, 1))
    return near_codes(a, b, np.array([edge[2] for edge in edges], np.int32), num_codes=len(names))


def _looks(pictures, names):
    """Each picture is a list of looks: code, colors, kind."""
    looks = [look for picture in pictures for look in picture]
    return Looks(
        starts=np.cumsum([0, *(len(picture) for picture in pictures)]),
        codes=np.array([names.index(code) for code, _, _ in looks], np.int64),
        colors=np.frombuffer(b"".join(colors for _, colors, _ in looks), np.uint8).reshape(-1, 48),
        kinds=np.array([kind for _, _, kind in looks], np.uint8),
    )


def _choose(letters, edges, colors=None):
    pictures = [[(letter, grid, 0)] for letter, grid in zip(letters, colors or [GRAY] * len(letters), strict=True)]
    chosen = choose_keepers(_looks(pictures, sorted(set(letters))), _near(letters, edges), **LIMITS)
    return chosen.keeper.tolist(), chosen.distance_bits.tolist()


def _keepers(letters, *edges):
    edges = [edge for edge in edges if {edge[0], edge[1]} <= set(letters)]
    return _choose(letters, edges)[0]


def test_a_chain_does_not_become_one_cluster():
    assert _keepers("ABC", ("A", "B", 4), ("B", "C", 4)) == [0, 0, 2]


def test_leaving_out_a_keeper_promotes_the_next():
    edges = [("A", "B", 4), ("A", "C", 4), ("B", "C", 2)]
    assert _keepers("ABC", *edges) == [0, 0, 0]
    assert _keepers("BC", *edges) == [0, 0]


def test_the_best_keeper_in_reach_stands_for_a_picture_at_its_own_distance():
    assert _choose("ABC", [("A", "C", 8), ("B", "C", 2)]) == ([0, 1, 0], [0, 0, 8])


def test_equal_hashes_of_other_colors_stay_apart():
    blue = b"\x80\xf0\x10" * 16
    assert _choose("AAA", [], [GRAY, blue, GRAY]) == ([0, 1, 0], [0, 0, 0])


def _random_graph(seed):
    rng = random.Random(seed)
    letters = [chr(rng.randrange(65, 95)) for _ in range(60)]
    names = sorted(set(letters))
    edges = [(a, b, rng.randrange(1, 9)) for i, a in enumerate(names) for b in names[:i] if rng.random() < 0.15]
    colors = [rng.choice([GRAY, b"\x80\xf0\x10" * 16]) for _ in letters]
    return letters, edges, colors


def test_every_picture_is_near_its_keeper_and_keepers_are_apart():
    letters, edges, colors = _random_graph(1)
    linked = {frozenset(edge[:2]) for edge in edges} | {frozenset(letter) for letter in letters}
    alike = lambda a, b: frozenset((letters[a], letters[b])) in linked and colors[a] == colors[b]  # noqa: E731
    chosen, _ = _choose(letters, edges, colors)
    assert all(keeper == place or alike(place, keeper) for place, keeper in enumerate(chosen))
    kept = [place for place, keeper in enumerate(chosen) if place == keeper]
    assert not any(alike(a, b) for a in kept for b in kept if a < b)


def test_compiled_and_not_compiled_agree(monkeypatch):
    for seed in range(5):
        graph = _random_graph(seed)
        plain = _choose(*graph)
        monkeypatch.setattr(keepers, "COMPILE_FROM", 0)
        assert _choose(*graph) == plain
        monkeypatch.undo()


@pytest.mark.parametrize(
    ("edges", "distance", "kinds"),
    [
        ([("B", "E", 2)], 2, 1 | 2),
        ([("B", "E", 2), ("A", "E", 8)], 8, 2),
        ([("B", "E", 2), ("A", "E", 8), ("A", "D", 9)], 9, 0),
        ([("B", "D", 6), ("F", "D", 4)], 4, 1),
    ],
)
def test_pictures_are_copies_by_their_simplest_looks_and_there_at_the_least_distance(edges, distance, kinds):
    pictures = [
        [("A", GRAY, 0), ("B", GRAY, 1), ("F", GRAY, 1)],
        [("C", GRAY, 0)],
        [("D", GRAY, 0), ("E", GRAY, 2)],
    ]
    chosen = choose_keepers(_looks(pictures, list("ABCDEF")), _near("ABCDEF", edges), **LIMITS)
    assert chosen.keeper.tolist() == [0, 1, 0]
    assert (chosen.distance_bits[2], chosen.kinds[2]) == (distance, kinds)


def test_looks_are_compared_in_the_colors_that_they_have_there():
    blue = b"\x80\xf0\x10" * 16
    pictures = [[("A", GRAY, 0), ("B", blue, 1)], [("B", GRAY, 0)]]
    assert choose_keepers(_looks(pictures, list("AB")), _near("AB", []), **LIMITS).keeper.tolist() == [0, 1]


def _similar(pairs, num_pictures):
    i, j, cosine = (np.array(side) for side in zip(*pairs, strict=True))
    return similar_pictures(i.astype(np.int64), j.astype(np.int64), cosine, images_N=np.arange(num_pictures))


def test_what_an_embedding_finds_alike_is_a_copy_and_makes_no_chains():
    looks = _looks([[(letter, GRAY, 0)] for letter in "ABC"], list("ABC"))
    chosen = choose_keepers(looks, _near("ABC", []), _similar([(0, 1, 0.9), (1, 2, 0.95)], 3), **LIMITS)
    assert chosen.keeper.tolist() == [0, 0, 2]
    assert chosen.distance_bits.tolist() == [0, -1, 0]
    assert chosen.cosine[1] == np.float32(0.9)
    assert np.isnan(chosen.cosine[[0, 2]]).all()


@pytest.mark.parametrize("compile_from", [0, 20_000])
def test_of_equal_vectors_each_is_like_what_the_first_is_paired_with(monkeypatch, compile_from):
    monkeypatch.setattr(keepers, "COMPILE_FROM", compile_from)
    looks = _looks([[(letter, GRAY, 0)] for letter in "ABC"], list("ABC"))
    similar = _similar([(0, 1, 0.9), (1, 2, 1.0)], 3)
    chosen = choose_keepers(looks, _near("ABC", []), similar, **LIMITS)
    assert chosen.keeper.tolist() == [0, 0, 0]
    assert chosen.cosine[1:].tolist() == [np.float32(0.9)] * 2


def test_equal_vectors_are_one_though_the_first_is_no_picture():
    looks = _looks([[(letter, GRAY, 0)] for letter in "ABC"], list("ABC"))
    i, j, cosine = np.array([9, 9, 9]), np.array([7, 5, 3]), np.array([0.9, 1.0, 1.0])
    similar = similar_pictures(i, j, cosine, images_N=np.array([7, 3, 5]))
    assert choose_keepers(looks, _near("ABC", []), similar, **LIMITS).keeper.tolist() == [0, 0, 0]


def test_a_million_equal_pictures_cost_a_step_each():
    assert set(_keepers("A" * 1_000_000)) == {0}


def _are_one(picture, other):
    """Tell whether two pictures of one hash are one by color, under the limits of a policy."""
    looks = _looks([[("A", color_grid(picture), 0)], [("A", color_grid(other), 0)]], ["A"])
    near = near_codes(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int32), num_codes=1)
    limits = {"max_luma_distance": 64, "max_chroma_distance": 24}
    return choose_keepers(looks, near, **limits).keeper.tolist() == [0, 0]


def test_thousands_of_colors_of_one_hash_are_told_apart_in_a_second():
    num = 3_000
    looks = Looks(
        starts=np.arange(num + 1),
        codes=np.zeros(num, np.int64),
        colors=np.random.default_rng(0).integers(0, 256, (num, 48), dtype=np.uint8),
        kinds=np.zeros(num, np.uint8),
    )
    began = process_time()
    chosen = choose_keepers(looks, near_codes(*[np.zeros(0, np.int64)] * 3, num_codes=1), **LIMITS)
    assert chosen.keeper.tolist() == list(range(num))
    assert process_time() - began < 10  # 15 s and more, and quadratic, where it is not compiled


def test_a_darker_copy_is_a_copy():
    picture = a_picture(1)
    assert _are_one(picture, picture.point(lambda value: int(value * 0.8)))
    assert not _are_one(picture, picture.point(lambda value: int(value * 0.3)))


def test_swapped_colors_are_another_picture():
    picture = a_picture(1)
    assert not _are_one(picture, Image.merge("RGB", picture.split()[::-1]))
