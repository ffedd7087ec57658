"""A build with an evaluation set: what looks like it is refused, and says so."""

import pyarrow.parquet as pq
import pytest
from PIL import ImageOps

from byline.pipelines.beam.build import build
from tests.builders import a_corpus, encoded
from tests.pipelines.facts.evaluation.lists import a_list, a_photograph


@pytest.mark.slow
@pytest.mark.beam
def test_a_release_holds_nothing_that_a_model_is_tested_with(tmp_path):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    for seed in range(4):
        (tmp_path / f"pictures/{seed}.jpg").write_bytes(encoded(a_photograph(seed)))
    listed = a_list(tmp_path, [a_photograph(1), ImageOps.mirror(a_photograph(2)), a_photograph(99)])
    config.write_text(f'evaluation_sets = ["{listed}"]\n{config.read_text()}')
    policy = tmp_path / "policy.toml"
    policy.write_text(policy.read_text().replace("[duplicates]", '[duplicates]\nviews = ["turned", "trimmed"]'))
    build(str(config))
    (path,) = (tmp_path / "corpus/releases").rglob("verdicts/*.parquet")
    rows = pq.read_table(path, columns=["record_id", "reasons"]).to_pylist()
    refused = {row["record_id"]: row["reasons"] for row in rows if row["reasons"]}
    assert refused == {key: ["contaminated:evaluation-set"] for key in ("test:1", "test:2")}
