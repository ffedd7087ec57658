"""The fetch stage over real HTTP: what is kept beside the bytes, and what is counted."""

import json
from collections import Counter

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from byline.catalog.consent import read_consent
from byline.catalog.corpora.packs import INDEX_SCHEMA, read_attempts, read_index
from byline.catalog.corpora.parts import PackPart
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.catalog.progress import Meter
from byline.pictures.config import PixelConfig
from byline.pipelines.beam.stages.fetch import Fetch, fetch_pack
from byline.pipelines.beam.stages.judge_claims import CLAIM_SCHEMA, claims_path
from byline.pipelines.beam.stages.measure import Measure, Measured
from tests.builders import a_fetch_config, a_picture, a_server, encoded


def a_part(store, urls, *, pack="test-00000"):
    """Write the records of a pack whose claims are admitted, one for each URL, and return the pack."""
    ids = [f"test:{number:05}" for number in range(len(urls))]
    records = f"records/{pack}.parquet"
    store.write_table(
        records,
        pa.table({"record_id": ids, "url": urls, "held": pa.nulls(len(urls), pa.string()), "pack": [pack] * len(urls)}),
    )
    admitted = [{"record_id": record_id, "reasons": []} for record_id in ids]
    store.write_table(claims_path(pack), pa.Table.from_pylist(admitted, schema=CLAIM_SCHEMA))
    return PackPart(pack=pack, records_path=records, row_group=0, num_records=len(urls))


def _fetched(tmp_path, urls):
    store = Store(str(tmp_path))
    part = a_part(store, urls)
    fetch_pack(part, store, PixelConfig(), a_fetch_config(), (), Meter())
    return read_index(store, part.pack).to_pylist()


PICTURE = encoded(a_picture(1))


def test_what_the_server_said_about_use_is_kept_raw_with_every_answer(tmp_path):
    robots = [("X-Robots-Tag", "googlebot: all"), ("x-robots-tag", "NoAI, unavailable_after: Tue, 25 Jun 2030")]
    answers = {
        "/both": (200, "image/jpeg", PICTURE, [robots[0], ("TDM-Reservation", "0"), robots[1], ("Server", "x")]),
        "/silent": (200, "image/jpeg", PICTURE),
        "/html": (200, "text/html", b"<html>", [("Content-Usage", "train-ai=n")]),
        "/refused": (403, "text/html", b"", [("tdm-policy", "https://example.org/p")]),
    }
    with a_server(answers) as (base, _):
        rows = _fetched(tmp_path, [f"{base}{path}" for path in answers] + ["file:///etc/passwd"])
    heard = [row["consent"] and [one for one in json.loads(row["consent"]) if one[0] != "date"] for row in rows]
    assert heard == [
        [["x-robots-tag", robots[0][1]], ["tdm-reservation", "0"], ["x-robots-tag", robots[1][1]]],
        None,
        [["content-usage", "train-ai=n"]],
        [["tdm-policy", "https://example.org/p"]],
        None,
    ]
    assert [row["outcome"] for row in rows] == ["fetched", "fetched", "not-an-image", "http-error", "bad-url"]
    assert [read_consent(row["consent"]).state for row in rows] == [
        "opted-out",
        "unstated",
        "opted-out",
        "unstated",
        "unstated",
    ]


def test_the_index_keeps_consent_as_text():
    assert INDEX_SCHEMA.field("consent").type == pa.string()


def _sums(result):
    counters = result.metrics().query(MetricsFilter().with_namespace("byline"))["counters"]
    sums = Counter()
    for counter in counters:
        sums[counter.key.metric.name] += counter.committed
    return dict(sums)


def test_what_the_build_itself_serves_is_not_lost_with_it(tmp_path):
    store = Store(str(tmp_path))
    with a_server({"/1": (200, "image/jpeg", PICTURE)}) as (base, _):
        gone = base  # the port of a server that is no more
    part = a_part(store, [f"{gone}/1"])
    with pytest.raises(CorpusError, match=r"the server of this build, which has http://.*/1, is gone; run the build"):
        fetch_pack(part, store, PixelConfig(), a_fetch_config(), (), Meter(), [gone])
    assert len(read_attempts(store, part.pack)) == 0


@pytest.mark.beam
@pytest.mark.parametrize(
    "workers",
    [
        "--direct_running_mode=in_memory",
        pytest.param("--direct_num_workers=2 --direct_running_mode=multi_processing", marks=pytest.mark.slow),
    ],
)
def test_real_work_is_counted_across_processes_and_is_none_the_second_time(tmp_path, workers):
    store = Store(str(tmp_path))
    answers = {f"/{number}": (200, "image/jpeg", encoded(a_picture(number))) for number in range(7)}
    answers["/same"] = answers["/0"]
    answers["/moved"] = (302, "text/html", b"", [("Location", "/6")])
    paths = [list(answers)[:3], [*list(answers)[3:], "/gone"]]

    def run(base):
        urls = [[f"{base}{path}" for path in some] for some in paths]
        urls[0].append("ftp://x/y")
        parts = [a_part(store, some, pack=f"test-{number:05}") for number, some in enumerate(urls)]
        pipeline = beam.Pipeline(runner=FnApiRunner(), options=PipelineOptions(workers.split()))
        fetched = (
            pipeline
            | beam.Create(parts)
            | beam.Reshuffle()
            | Fetch(store, PixelConfig(), a_fetch_config(), (), Meter())
        )
        _ = fetched | Measure(store, Meter(), Measured())
        result = pipeline.run()
        result.wait_until_finish()
        return _sums(result)

    with a_server(answers) as (base, asked):
        first = run(base)
        assert first["requested"] == len(asked) == 11  # 10 URLs, one of which moved; ftp is not asked
        assert first["measured"] == 3 + 5  # of each pack; /moved and /6 are one picture there, as /gone is none
        second = run(base)
    assert len(asked) == 11
    assert second.get("requested", 0) == second.get("measured", 0) == 0


def test_a_url_that_many_records_have_is_asked_once_and_all_get_its_answer(tmp_path):
    store = Store(str(tmp_path))
    with a_server({"/a": (200, "image/jpeg", PICTURE)}) as (base, asked):
        urls = [f"{base}/a"] * 100 + [
            f"{base}/b/../a#part",
            f"{base}/a?",
            f"{base}/gone",
            f"{base}/gone",
            "ftp://x",
            "ftp://x",
        ]
        part = a_part(store, urls)
        fetch_pack(part, store, PixelConfig(), a_fetch_config(), (), Meter())
        fetch_pack(part, store, PixelConfig(), a_fetch_config(), (), Meter())
    assert sorted(asked) == ["/a", "/gone"]
    rows = read_index(store, part.pack).to_pylist()
    assert [row["url"] for row in rows] == urls
    assert len({row["record_id"] for row in rows}) == len(urls)
    assert [row["outcome"] for row in rows] == ["fetched"] * 102 + ["http-error"] * 2 + ["bad-url"] * 2
    assert len({row["stored_sha256"] for row in rows[:102]}) == 1
