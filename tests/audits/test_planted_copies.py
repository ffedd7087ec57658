"""What is planted is what byline counts as copies, and what a model gives back is counted as it is: real pictures."""

import json
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from byline.audits.memorization import nearest_training_pictures
from byline.catalog.errors import CorpusError
from byline.diffusion.pixels import square
from byline.pipelines.beam.build import build
from harness.extraction import are_copies, count, shares
from harness.planted import (
    COPIES,
    Picture,
    Planting,
    caption_of,
    choose,
    copies_in,
    near_copy,
    pictures_of,
    plant,
    scores,
)
from harness.rows import to_do

PHOTOGRAPHS = Path(__file__).parent.parent.parent / "samples/photographs"
SIDE_PX = 64


def a_photograph(path):
    data = path.read_bytes()
    credit = {"license": "CC-BY-4.0", "creator": "Ada L.", "landing_url": f"https://example.org/{path.stem}"}
    return Picture(sha256=sha256(data).hexdigest(), data=data, caption=path.stem, credit=credit)


MONUMENTS = [a_photograph(path) for path in sorted(PHOTOGRAPHS.glob("gcompris-categorization-monuments-*.jpg"))[:16]]
FISH = [a_photograph(path) for path in sorted(PHOTOGRAPHS.glob("gcompris-categorization-fishes-fish*.jpg"))[:8]]


def a_planting(pictures):
    return Planting(
        by_copies={0: (pictures[0],), 1: (pictures[1],), 4: (pictures[2],), 16: (pictures[3],)},
        others=tuple(pictures[4:]),
    )


def names(planting):
    return [(copies, picture.caption) for copies, picture in planting.planted]


def pixels(data):
    return square(data, SIDE_PX)


def encoded_again(data, quality=30):
    sink = BytesIO()
    Image.open(BytesIO(data)).convert("RGB").save(sink, "JPEG", quality=quality)
    return sink.getvalue()


def test_what_looks_like_another_or_shares_its_caption_is_not_planted():
    like = replace(MONUMENTS[0], sha256="1" * 64, data=near_copy(MONUMENTS[0], 5), caption="another caption")
    alike = replace(MONUMENTS[1], caption=MONUMENTS[2].caption.upper())
    pool = [MONUMENTS[0], like, alike, *MONUMENTS[2:]]
    found = choose(pool, seed=0, each=1, others=3, side_px=SIDE_PX)
    assert [copies for copies, _ in names(found)] == list(COPIES)
    for seed in range(4):
        planted = {picture.sha256 for _, picture in choose(pool, seed=seed, each=2, others=3, side_px=SIDE_PX).planted}
        assert len(planted) == 10
        assert not planted & {MONUMENTS[0].sha256, like.sha256, alike.sha256, MONUMENTS[2].sha256}


def test_scores_are_those_of_the_audit():
    stacked = np.stack([pixels(picture.data) for picture in (*MONUMENTS, *FISH)])
    places = [0, 5, 20]
    expected = [nearest_training_pictures(stacked[[place]], np.delete(stacked, place, 0))[0].score for place in places]
    assert scores(stacked, places) == pytest.approx(expected, rel=1e-4)


def test_the_seed_alone_chooses():
    chosen = [choose(order, seed=3, each=1, others=4, side_px=SIDE_PX) for order in (MONUMENTS, MONUMENTS[::-1])]
    assert chosen[0] == chosen[1]
    assert choose(MONUMENTS, seed=4, each=1, others=4, side_px=SIDE_PX) != chosen[0]


def test_too_few_pictures_are_one_line():
    with pytest.raises(CorpusError, match="25 pictures of their own caption and look and 4 others are needed"):
        choose(MONUMENTS, seed=0, each=5, others=4, side_px=SIDE_PX)


def test_copies_differ_in_bytes_and_are_nearest_to_their_picture():
    references = np.stack([pixels(picture.data) for picture in (*FISH, *MONUMENTS)])
    for place, picture in enumerate(FISH[:3]):
        copies = [near_copy(picture, number) for number in range(16)]
        assert copies == [near_copy(picture, number) for number in range(16)]
        assert len(set(copies)) == 16
        nearest = nearest_training_pictures(np.stack([pixels(copy) for copy in copies]), references)
        assert {near.index for near in nearest} == {place}


def test_each_of_64_copies_can_have_a_caption_of_its_own():
    captions = [caption_of(FISH[0], number) for number in range(64)]
    assert captions[0] == FISH[0].caption
    assert len(set(captions)) == 64


@pytest.mark.beam
@pytest.mark.slow
def test_a_build_resolves_what_is_planted_or_leaves_it(tmp_path):
    planting = a_planting(MONUMENTS[:6])
    left = build(str(plant(planting, tmp_path, resolved=False, captions_differ=True)), workers=1)
    resolved = build(str(plant(planting, tmp_path, resolved=True, captions_differ=True)), workers=1)
    assert Counter(_pages(left)) == {
        _page(MONUMENTS[place]): copies for place, copies in enumerate((0, 1, 4, 16, 1, 1)) if copies
    }
    assert sorted(_pages(resolved)) == sorted(_page(picture) for picture in MONUMENTS[1:6])
    assert len({picture.caption for picture in pictures_of(left)}) == 23
    assert copies_in(left, planting) == {0: 0, 1: 1, 4: 4, 16: 16}
    assert copies_in(resolved, planting) == {0: 0, 1: 1, 4: 1, 16: 1}


def _page(picture):
    return picture.credit["landing_url"]


def _pages(release):
    return [_page(picture) for picture in pictures_of(release)]


def test_a_draw_counts_when_it_is_a_copy_of_its_own_picture():
    planting = a_planting([*FISH, *MONUMENTS])
    drawn = [
        encoded_again(FISH[0].data),  # its own
        FISH[1].data,  # another that is planted
        MONUMENTS[0].data,  # one of the others
        (PHOTOGRAPHS / "gcompris-details-toureiffel-background.jpg").read_bytes(),  # none of them
        near_copy(FISH[3], 7),
    ]
    found = are_copies(np.stack([pixels(data) for data in drawn]), [0, 0, 1, 2, 3], planting.references(SIDE_PX))
    assert found == [True, False, False, False, True]


def test_counts_are_by_copies_and_by_picture():
    copied = [True, False, True, True, False, False, False, False]
    assert count([0, 4, 4, 1], copied) == [
        {"copies": 0, "pictures": 1, "extracted": 1, "drawn": 2, "copied": 1},
        {"copies": 1, "pictures": 1, "extracted": 0, "drawn": 2, "copied": 0},
        {"copies": 4, "pictures": 2, "extracted": 1, "drawn": 4, "copied": 2},
    ]


def test_shares_are_over_seeds_with_exact_intervals():
    row = {"arm": "a", "copies": 4, "pictures": 6, "extracted": 0, "drawn": 24, "copied": 0}
    found = shares([{**row, "seed": 0}, {**row, "seed": 1}, {**row, "arm": "b", "extracted": 6}])
    assert (found["a", 4].extracted, found["a", 4].pictures, found["a", 4].drawn) == (0, 12, 48)
    assert found["a", 4].interval == pytest.approx((0, 1 - 0.025 ** (1 / 12)))
    assert found["b", 4].interval == pytest.approx((0.025 ** (1 / 6), 1))


def test_what_has_rows_is_not_trained_again():
    rows = json.loads('[{"arm": "a", "seed": 0, "copies": 1}, {"arm": "a", "seed": 0, "copies": 4}]')
    assert list(to_do(("a", "b"), 2, rows)) == [("b", 0), ("a", 1), ("b", 1)]
