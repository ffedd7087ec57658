"""What `byline plan --cluster N` tells: from rates that are given, and of a corpus whose larger builds are timed."""

import json

import pytest
import tomli_w
from typer import Typer
from typer.testing import CliRunner

from byline.catalog.configs.hardware import CLUSTER, shipped_table
from byline.catalog.configs.loading import read_toml
from byline.catalog.corpora.builds import (
    FETCH,
    MEASURE,
    PROCESSOR_MS,
    EncodingSpeed,
    done_by_builds,
    keep_encoding_speed,
    read_encoding_speed,
)
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.cli.plan import plan as plan_verb
from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.fetching.config import FetchConfig
from byline.pipelines.rights.plans.caption_costs import CaptionRate
from byline.pipelines.rights.plans.clusters.cluster_plan import plan_cluster
from byline.pipelines.rights.plans.clusters.costs import Work, cost_of, fetch_bounds
from byline.pipelines.rights.plans.clusters.prices import read_prices
from byline.pipelines.rights.plans.clusters.rates import FetchRate, Rates, StageRate, read_rates
from byline.pipelines.rights.plans.clusters.sample import Kept, Sample
from byline.pipelines.rights.plans.planning import make_plan
from tests.builders import a_corpus

MEASURED = {"build": "00000", "pictures": 100, "clock_seconds": 1.0}
RATE = FetchRate(**MEASURED, seconds=0.01, requests=1.5, received_bytes=1000.0, request_s=0.8)
SAMPLE = Sample(
    packs=2,
    of_packs=10,
    records=200,
    asked=100,
    fetched=80,
    captioned={"model": 40},
    encoded=20,
    busiest_host="a.example",
    of_busiest_host=0.5,
    kept={
        "fetch": Kept(objects=4, bytes=1000),
        "measure": Kept(objects=8, bytes=800),
        "captions": Kept(objects=2, bytes=400),
        "latents": Kept(objects=1, bytes=2000),
    },
)
WORK = Work(
    title="x",
    packs=10,
    asked=36_000,
    measured=28_800,
    captioned={"model": 14_400},
    encoded={"latents": 7_200},
    shipped=9_000,
)
SPEED = EncodingSpeed(pictures=10, device="cpu", processor_ms=5000, clock_ms=9000)
RATES = Rates(
    fetch=RATE,
    measure=StageRate(**MEASURED, seconds=0.5),
    captions={"model": CaptionRate(name="x", images_per_s=2.0, images_from="y", usd_per_hour=3.0, price_from="z")},
    latents={"latents": SPEED},
)


def _cost(workers, rates=RATES):
    return cost_of(
        WORK,
        workers=workers,
        rates=rates,
        sample=SAMPLE,
        shard_bytes=5000.0,
        limits=FetchConfig(per_host=1000),
        prices=read_prices(None),
    )


@pytest.mark.parametrize(
    ("at_work", "limits", "request_s", "bound", "seconds"),
    [
        (1, {"per_host": 1000}, 1.2, "requests under way", 10 * 23 * 1.8),  # 3,600 of a pack are 23 times 160
        (5, {"per_host": 1000}, 0.001, "processors", 72.0),
        (5, {"per_host": 8}, 0.8, "the busiest host", 18_000 * 1.2 / 8),
        (5, {"per_host": 1000, "rate_per_s": 10.0}, 0.8, "the busiest host", 18_000 * 1.5 / 10),
    ],
)
def test_fetching_takes_what_bounds_it_most(at_work, limits, request_s, bound, seconds):
    rate = RATE.model_copy(update={"request_s": request_s})
    bounds = fetch_bounds(rate, 36_000, 10, at_work=at_work, of_busiest_host=0.5, limits=FetchConfig(**limits))
    assert max(bounds, key=bounds.get) == bound
    assert bounds[bound] == pytest.approx(seconds)


def test_hours_bytes_and_dollars_follow_from_rates_sample_and_prices():
    fetch, measure, captions, latents, shards = _cost(5).stages
    assert (fetch.requests, fetch.received_bytes) == (54_000, 36_000_000)
    assert (fetch.kept_bytes, fetch.objects) == (360_000, 1_440)
    assert measure.hours == pytest.approx(28_800 * 0.5 / 5 / 3600)
    assert measure.usd == pytest.approx(measure.hours * 5 * 0.05)
    assert captions.hours == pytest.approx(14_400 / 2 / 5 / 3600)
    assert captions.usd == pytest.approx(captions.hours * 5 * 3.0)
    assert (captions.kept_bytes, latents.kept_bytes) == (144_000, 720_000)
    assert latents.hours == pytest.approx(7_200 * 0.5 / 5 / 3600)
    assert (shards.kept_bytes, shards.hours) == (45_000_000, None)


def test_packs_are_not_divided_and_idle_workers_are_paid():
    four, ten, forty = (_cost(workers) for workers in (4, 10, 40))
    assert four.busy_workers == pytest.approx(10 / 3)
    assert ten.busy_workers == forty.busy_workers == 10
    assert forty.stages[1].hours == ten.stages[1].hours
    assert forty.stages[1].usd == pytest.approx(4 * ten.stages[1].usd)


def test_latents_of_an_accelerator_take_clock_and_its_price():
    rates = RATES.model_copy(update={"latents": {"latents": SPEED.model_copy(update={"device": "NVIDIA A100"})}})
    latents = _cost(1, rates).stages[3]
    assert latents.hours == pytest.approx(7_200 * 0.9 / 3600)
    assert latents.usd == pytest.approx(latents.hours * 2.0)


def test_what_nobody_measured_has_no_hours(tmp_path):
    unknown = Rates(fetch=None, measure=None, captions={"model": None}, latents={"latents": None})
    assert {stage.hours for stage in _cost(2, unknown).stages} == {None}
    (tmp_path / "builds").mkdir()
    (tmp_path / "builds/00000.json").write_text('{"done": {"requested": 60, "measured": 60}}')
    assert read_rates(Store(str(tmp_path)), {}) == Rates(fetch=None, measure=None, captions={}, latents={})


def test_a_table_of_ones_own_takes_the_place_of_ours(tmp_path):
    table = read_toml(shipped_table(CLUSTER))
    table["worker"]["usd_per_hour"] = 7.0
    (tmp_path / "prices.toml").write_text(tomli_w.dumps(table))
    assert read_prices(str(tmp_path / "prices.toml")).worker.usd_per_hour == 7.0
    del table["store"]["price_from"]
    (tmp_path / "prices.toml").write_text(tomli_w.dumps(table))
    with pytest.raises(ConfigError, match=r"prices.toml: missing key 'price_from' in \[store\]"):
        read_prices(str(tmp_path / "prices.toml"))


def test_the_run_that_encoded_most_tells_how_fast_it_is(tmp_path):
    store = Store(str(tmp_path))
    assert read_encoding_speed(store, "a-1") is None
    for number, kept in ((10, 10), (3, 10), (12, 12)):
        keep_encoding_speed(store, "a-1", SPEED.model_copy(update={"pictures": number}))
        assert read_encoding_speed(store, "a-1").pictures == kept
    assert list(done_by_builds(store)) == []


def _run(*arguments):
    app = Typer()
    app.command()(plan_verb)
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "80"})


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Build a corpus of few pictures with one worker."""
    folder = tmp_path_factory.mktemp("sample")
    config = a_corpus(folder, num_pictures=RECORDS, num_packs=4)
    build(str(config), workers=1)
    return config


RECORDS = 40


@pytest.mark.slow
@pytest.mark.beam
def test_the_terminal_tells_hours_and_what_they_stand_on(built):
    told = _run(built, "--cluster", "2", "--records", "1000000")
    assert told.exit_code == 0, told.output
    lines = told.stdout.splitlines()
    assert "On 2 workers: all of it from nothing" in lines
    assert "On 2 workers: 1,000,000 records like these" in lines
    assert "On 2 workers: 70,000,000 pictures like these, as CommonCatalog has" in lines
    assert any("1,120 hours of A100" in line for line in lines)
    assert "of build 00000" in told.stdout
    assert "latents: no run encoded these pictures; train on a release" in told.stdout
    assert max(map(len, lines)) <= 80


@pytest.mark.beam
def test_json_has_it_beside_the_plan_and_only_when_asked(built):
    told = json.loads(_run(built, "--cluster", "2", "--json").stdout)
    assert told["cluster"]["workers"] == 2
    assert [cost["work"]["asked"] for cost in told["cluster"]["works"]] == [0, RECORDS, 70_000_000]
    assert "cluster" not in json.loads(_run(built, "--json").stdout)


@pytest.mark.beam
def test_hours_stand_on_what_the_build_kept(built):
    """How near they come to a larger build is measured by benchmarks.cluster_plan."""
    made, policy = load_corpus_config(str(built))
    plan = make_plan(made, policy)
    found = plan_cluster(made, plan, {}, workers=2, records=2 * RECORDS, prices=read_prices(None))
    _, done = next(done_by_builds(made.store))
    for stage, rate in ((FETCH, found.rates.fetch), (MEASURE, found.rates.measure)):
        assert 0 < rate.seconds * RECORDS == pytest.approx(done[f"{PROCESSOR_MS}{stage}"] / 1000), stage
    measured = found.works[2].stages[1]
    assert measured.pictures == 2 * RECORDS
    assert measured.hours == pytest.approx(found.rates.measure.seconds * measured.pictures / 2 / 3600)
