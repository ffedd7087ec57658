"""A fetch that is killed: what it asks for again, and what its packs are in the end."""

import pytest

from byline.pipelines.beam.stages.fetch import WINDOW
from harness.fetch_only import WORKERS
from harness.killed_fetch import kill_and_compare

pytestmark = [pytest.mark.beam, pytest.mark.slow]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """Return what came of a fetch killed three times, each time when it had got on a little."""
    return kill_and_compare(tmp_path_factory.mktemp("killed"), num_urls=600, num_kills=3)


def test_every_picture_is_asked_for(killed):
    assert killed.num_never == 0


def test_a_kill_costs_one_batch_of_each_process_at_most(killed):
    assert max(killed.asked_again) <= WINDOW * WORKERS


def test_the_packs_are_those_of_a_run_that_nobody_killed(killed):
    assert killed.packs_equal


def test_the_release_is_that_of_a_run_that_nobody_killed(killed):
    assert killed.release_equal


def test_in_a_bucket_a_kill_costs_no_more_and_changes_nothing(tmp_path, s3_root):
    killed = kill_and_compare(tmp_path, 800, 1, roots=(f"{s3_root}-calm", f"{s3_root}-killed"))
    assert max(killed.asked_again) <= WINDOW * WORKERS
    assert (killed.num_never, killed.packs_equal, killed.release_equal) == (0, True, True)
