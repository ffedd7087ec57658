"""A runner may run a bundle again after it succeeded, or twice at once on two workers; a build is the same."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import BundleManager

from byline.pipelines.beam.build import build, last_record
from byline.pipelines.releases.verify import verify
from tests.builders import a_corpus, tree_digest

pytestmark = [pytest.mark.beam, pytest.mark.slow]


class _Doubling:
    """In place of `BundleManager.process_bundle`: runs each bundle twice, and takes what the second answered."""

    def __init__(self, *, at_once):
        self.run_one, self.at_once, self.doubled = BundleManager.process_bundle, at_once, 0

    def __call__(self, manager, *arguments):
        self.doubled += 1
        other = BundleManager(manager.bundle_context_manager)
        with ThreadPoolExecutor(1) as aside:
            first = aside.submit(self.run_one, other, *arguments[:4], True)
            if not self.at_once:
                first.result()
            answer = self.run_one(manager, *arguments)
            first.result()  # raises what the worker raised
        return answer


@pytest.mark.parametrize("at_once", [False, True], ids=["again", "at once"])
def test_bundles_that_run_twice_give_the_same_corpus(small, tmp_path, monkeypatch, at_once):
    _, once = small
    doubling = _Doubling(at_once=at_once)
    monkeypatch.setattr(BundleManager, "process_bundle", lambda *arguments: doubling(*arguments))
    twice = build(str(a_corpus(tmp_path)), workers=2)
    assert doubling.doubled > 5
    assert twice.version == once.version
    assert list(verify(twice)) == []
    assert last_record(twice.store)["outcomes"] == last_record(once.store)["outcomes"]
    for folder in ("facts", "shards"):
        assert tree_digest(twice.store.local_path(folder)) == tree_digest(once.store.local_path(folder))
