"""Tables and answer of the benchmark of captions, from rows that are given; and releases that differ in captions."""

from math import inf

import numpy as np
import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CorpusError
from byline.pipelines.corpora.config import load_corpus_config
from harness.crossed import crossed, less, over_seeds, share
from harness.telephoned import FORMER, answer, differences_of, of_which_weights, table_of
from harness.telephoning import Captioned, arms, draw_captions, require_same_pictures, write_corpora
from tests.training.builders import a_release

NUM_PROMPTS, SEEDS = 41, 3
WORDS = {"titles": "their titles", "synthetic": "a caption", "both": "both of them"}


def a_row(arm, seed, *, rank=11, kid=0.2, extracted=0):
    """Return a row: of `NUM_PROMPTS` prompts the own one of each picture has this place, give or take two."""
    ranks = [rank + (number + seed) % 5 - 2 for number in range(NUM_PROMPTS - 1)]
    numbers = {
        "different_prompts": NUM_PROMPTS,
        "kid": kid + 0.001 * seed,
        "extracted": extracted,
        "pictures": 50,
        "any_copies": 2 * extracted,
        "drawn": 100,
    }
    return {"arm": arm, "seed": seed, "ranks": ranks, **numbers}


def rows_of(arm, **numbers):
    return [a_row(arm, seed, **numbers) for seed in range(SEEDS)]


def cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_where_prompts_do_not_differ_the_interval_is_that_of_seeds():
    of_seed_S = np.array([0.1, 0.4, 0.2])
    found, expected = crossed(np.repeat(of_seed_S[:, None], 30, axis=1)), over_seeds(of_seed_S)
    assert found.interval == pytest.approx(expected.interval)
    assert expected.interval == pytest.approx((-0.1461, 0.6128), abs=1e-4)  # Student's 4.303 of two degrees of freedom


def test_where_seeds_do_not_differ_the_interval_is_that_of_prompts():
    of_prompt_P = np.random.default_rng(0).random(30)
    assert crossed(np.tile(of_prompt_P, (3, 1))).interval == pytest.approx(over_seeds(of_prompt_P).interval)


def test_intervals_have_the_mean_of_all_seeds_and_prompts_95_times_in_100():
    random, hits, times = np.random.default_rng(0), 0, 1000
    for _ in range(times):
        seeds_S1, prompts_P, rest_SP = random.normal(size=(3, 1)), random.normal(size=40), random.normal(size=(3, 40))
        low, high = crossed(0.2 * seeds_S1 + prompts_P + rest_SP).interval
        hits += low <= 0 <= high
    assert 0.93 <= hits / times <= 0.99


def test_one_seed_says_nothing_of_seeds():
    assert over_seeds([0.3]).interval == (-inf, inf)
    assert over_seeds([0.3]).sign == 0


def test_none_beside_none_is_no_certainty():
    found = less(share(0, 100), share(0, 100))
    assert found.value == 0
    assert found.interval == pytest.approx((-0.0362, 0.0362), abs=1e-4)
    assert less(share(40, 100), share(0, 100)).sign == 1
    assert less(share(0, 100), share(40, 100)).sign == -1


def test_a_line_has_the_numbers_of_its_rows():
    rows = [*rows_of("synthetic", rank=21, extracted=5), *rows_of("titles")]
    _, _, titles, synthetic = table_of(rows, WORDS).splitlines()
    assert cells(titles)[:2] == ["titles: their titles", "3"]
    assert cells(titles)[2].startswith("0.750 (0.7")  # 10 of 40 other prompts are nearer
    assert cells(titles)[4] == "0.201 (0.199 to 0.203)"
    assert cells(titles)[5] == "0.000 (0.000 to 0.024)"
    assert cells(synthetic)[2].startswith("0.500 (")
    assert cells(synthetic)[5].startswith("0.100 (")


def test_differences_are_of_seeds_that_both_have():
    rows = [*rows_of("titles"), *rows_of("synthetic", rank=21)[1:], a_row("both", 7)]
    *_, line = differences_of(rows, WORDS).splitlines()
    assert cells(line)[:3] == ["synthetic", "2", "-0.250 (-0.250 to -0.250)"]
    assert cells(line)[4] == "+0.000 (+0.000 to +0.000)"


@pytest.mark.parametrize(
    ("rank", "kid", "extracted", "start", "parts"),
    [
        (11, 0.2, 0, "Telephoning neither helps nor hurts here", ["KID is not told apart with synthetic"]),
        (21, 0.2, 0, "Telephoning does not help here, and hurts:", ["held-out prompts is worse with synthetic;"]),
        (
            8,
            0.3,
            9,
            "Telephoning helps here:",
            ["KID is worse with", "given back is worse with synthetic;", "are copies is worse with synthetic."],
        ),
        (8, 0.1, 0, "Telephoning helps here:", ["KID is better with", "given back is not told apart with synthetic;"]),
    ],
)
def test_the_answer_is_what_intervals_say(rank, kid, extracted, start, parts):
    synthetic = rows_of("synthetic", rank=rank, kid=kid, extracted=extracted)
    said = answer([*rows_of("titles"), *synthetic], WORDS)
    assert said.startswith(start)
    assert all(part in said for part in parts)


def test_arms_that_differ_are_told_apart():
    said = answer([*rows_of("titles"), *rows_of("synthetic", rank=21), *rows_of("both", rank=8)], WORDS)
    assert said.startswith("Telephoning helps here in some form: ")
    assert "held-out prompts is better with both, worse with synthetic;" in said
    assert "KID is not told apart with all;" in said


def test_without_pairs_nothing_is_said():
    assert answer(rows_of("titles"), WORDS) == "There are no two arms of one seed yet, so nothing can be said."


def test_captions_are_drawn_by_their_weights_and_the_seed():
    pictures = [Captioned(file_name="a", title="sun", weighted={"sun": 1.0, "a star": 3.0})] * 300
    drawn = draw_captions(pictures, draws=2, seed=0)
    assert drawn == draw_captions(pictures, draws=2, seed=0)
    assert drawn != draw_captions(pictures, draws=2, seed=1)
    assert 0.7 < drawn.count("a star") / 600 < 0.8


def test_other_pictures_are_one_line(tmp_path):
    same, also, other = (Release(a_release(tmp_path / name, train=num)) for name, num in (("a", 6), ("b", 6), ("c", 5)))
    require_same_pictures({"titles": same, "synthetic": also})
    with pytest.raises(CorpusError, match="releases titles and synthetic differ in 2 train pictures"):
        require_same_pictures({"titles": same, "synthetic": other})


def test_arms_are_corpora_that_differ_in_captions_alone(tmp_path):
    configs = [load_corpus_config(path)[0] for path in write_corpora(tmp_path).values()]
    assert [config.name for config in configs] == list(arms())
    settings = [config.model_dump(exclude={"name", "caption", "captions"}) for config in configs]
    assert all(one == settings[0] for one in settings)
    assert len({str((config.caption, config.captions)) for config in configs}) == len(configs)


def test_rows_of_a_captioner_that_has_been_replaced_claim_nothing_of_the_present():
    former, present = a_row("synthetic", 0), {**a_row("synthetic", 0), "captioner": "ab" * 32}
    assert of_which_weights(former, FORMER) == "Its weights were those of digest dadd1cd7."
    assert "1.29 million, of commit 9a4ddd78, **and not those" in of_which_weights(former, "ab" * 32)
    assert of_which_weights(present, "ab" * 32) == "Its weights were those of digest abababab."
    assert "digest abababab, **and not those" in of_which_weights(present, "cd" * 32)
