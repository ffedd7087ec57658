"""A release that ships several captions of a picture, from the build to what a trainer draws."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from byline.catalog.corpora.facts import FactTable, Key
from byline.catalog.corpora.manifest import Release, rows_path
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.beam.stages.caption import BATCH
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.facts.measures import CAPTION_SCHEMA, CAPTIONING_MS_BY, LATER_CAPTION_COLUMNS, caption_facts
from byline.pipelines.releases.exporting.export import export
from byline.pipelines.releases.verify import verify
from byline.pipelines.rights.plans.planning import make_plan
from byline.reports.captions import collect_captions
from byline.training.encoded import CAPTION, NUM_UNIFORM, _choose
from byline.training.encoded_shards import make_texts
from byline.training.encoding import TEXT
from byline.training.feed import Group, Share, draw
from byline.training.feed_files import open_arrays, write_arrays
from byline.training.order import Order
from byline.training.ranks import Ranks
from byline.training.samples import read_names, read_samples
from tests.builders import a_corpus
from tests.captioning.answering import MODEL, served
from tests.captioning.models import save_tiny_blip2
from tests.pipelines.rights.takedown.corpora import take_down

pytestmark = [pytest.mark.beam, pytest.mark.slow]
TITLE_WEIGHT = 0.5


def a_config(folder: Path, url: str, *, num_pictures: int = 6, concurrency: int = 2) -> Path:
    """Write a corpus that a server captions, whose titles are shipped beside what it says."""
    config = a_corpus(folder, num_pictures=num_pictures, num_packs=1)
    ours = f'captioner = "openai"\nurl = "{url}"\nmodel = "{MODEL}"\nmachine = {{ concurrency = {concurrency} }}\n'
    also = f'[captions.title]\nweight = {TITLE_WEIGHT}\nby = {{ captioner = "source-text" }}\n'
    config.write_text(config.read_text().replace('captioner = "source-text"\n', ours + also))
    return config


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    with served() as (url, _):
        config = a_config(folder, url)
        return config, build(str(config), workers=1)


def test_the_page_of_captions_has_them_side_by_side(made):
    _, release = made
    found = collect_captions(release, limit=6)
    assert [one.num_captions for one in found.by_captioner.values()] == [6, 6]
    for picture in found.shown:
        assert [caption.text for caption in picture.captions] == picture.facts["captions"]
        assert [caption.captioner for caption in picture.captions] == picture.facts["captioners"]


def samples_of(release):
    return [
        (shard, {name: data.decode() if name != "jpg" else data for name, data in sample.items() if name != "__key__"})
        for shard in release.manifest.shards
        for sample in release.samples(shard, release.read_shard(shard))
    ]


def test_samples_say_all_captions_with_weights_and_who_wrote_them(made):
    config, release = made
    instruments = load_corpus_config(str(config))[0].instruments
    found = samples_of(release)
    assert len(found) == 6
    for _, sample in found:
        said = json.loads(sample["json"])
        assert said["captions"] == [said["caption"], said["title"]] == [sample["txt"], said["title"]]
        assert sample["txt"].startswith("a picture of (")
        assert said["title"].startswith("blobs number")
        assert said["caption_weights"] == [1.0, TITLE_WEIGHT]
        assert said["captioners"] == [instruments.captions, instruments.also[0].instrument]
    assert list(verify(release)) == []
    assert release.manifest.instruments["captions title"] == f"{instruments.also[0].instrument} of weight 0.5"


def test_a_second_build_has_nothing_to_do_and_the_plan_says_so(made):
    config, release = made
    plan = make_plan(*load_corpus_config(str(config)))
    assert (plan.is_exact, plan.to_caption.records, plan.shards.written, plan.shards.changed) == (True, 0, 0, ())
    assert build(str(config), workers=1).version == release.version


def test_the_plan_of_another_weight_tells_the_bytes_that_the_build_writes(made, tmp_path):
    config, release = made
    other = tmp_path / "other.toml"
    other.write_text(config.read_text().replace(f"weight = {TITLE_WEIGHT}", "weight = 0.125"))
    plan = make_plan(*load_corpus_config(str(other)))
    assert (plan.to_caption.records, plan.shards.written) == (0, len(release.manifest.shards))
    again = build(str(other), workers=1)
    done = last_record(again.store)["done"]
    assert (done["captioned"], done["shard bytes written"]) == (0, plan.shards.bytes_to_write)
    assert {json.loads(sample["json"])["caption_weights"][1] for _, sample in samples_of(again)} == {0.125}
    build(str(config), workers=1)


def test_an_export_as_rows_has_them_and_is_the_release(made, tmp_path):
    _, release = made
    export(release, str(tmp_path / "rows"), format="parquet")
    opened = Release(str(tmp_path / "rows"))
    assert list(verify(opened)) == []
    for shard in release.manifest.shards:
        assert opened.read_shard(shard) == release.read_shard(shard)
        assert read_names(opened, shard) == read_names(release, shard)
        assert read_samples(opened, shard).weighted == read_names(release, shard).weighted
        schema = pq.read_schema(tmp_path / "rows" / rows_path(shard))
        features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
        assert features["captions"] == {"feature": {"dtype": "string", "_type": "Value"}, "_type": "Sequence"}


def test_datasets_reads_both_kinds(made, tmp_path):
    datasets = pytest.importorskip("datasets")
    _, release = made
    export(release, str(tmp_path / "tars"), format="webdataset")
    export(release, str(tmp_path / "rows"), format="parquet")
    tars = [str(path) for path in sorted((tmp_path / "tars").rglob("*.tar"))]
    rows = [str(path) for path in sorted((tmp_path / "rows" / "data").rglob("*.parquet"))]
    cache = str(tmp_path / "cache")
    of_tars = datasets.load_dataset("webdataset", data_files=tars, split="train", cache_dir=cache)
    of_rows = datasets.load_dataset("parquet", data_files=rows, split="train", cache_dir=cache)
    said = {row["json"]["key"]: row["json"] for row in of_tars.remove_columns("jpg")}
    assert len(said) == 6
    for row in of_rows.remove_columns("image"):
        for name in ("captions", "caption_weights", "captioners"):
            assert row[name] == said[row["key"]][name]


def test_a_trainer_draws_each_caption_by_its_weight_and_the_same_again(made, tmp_path):
    _, release = made
    shard = next(shard for shard in release.manifest.shards if shard.split == "train")
    weighted = read_names(release, shard).weighted
    assert all(sorted(of_sample.values()) == [TITLE_WEIGHT, 1.0] for of_sample in weighted)
    texts = sorted({text for of_sample in weighted for text in of_sample})
    facts = FactTable(store=Store(str(tmp_path)), measure="text", instrument="made", schema=TEXT, key=Key.CAPTION)
    tokens = {text: np.full((1, 2), number, "<f2") for number, text in enumerate(texts)}
    facts.append(
        shard.pack,
        [
            {"caption_sha256": sha256_hex(text.encode()), "num_tokens": 1, "tokens": vector.tobytes()}
            for text, vector in tokens.items()
        ],
    )
    write_arrays(tmp_path / "arrays", lambda new: make_texts(facts, shard.pack, weighted, new))
    arrays, size = open_arrays(tmp_path / "arrays"), shard.num_samples

    def drawn() -> list[str]:
        share = Share(
            order=Order(shard_sizes=(size,), streams=1, window_samples=size, seed=7),
            batch_size=size,
            ranks=Ranks(rank=0, size=1, device=torch.device("cpu")),
        )
        found = []
        for step in range(600):
            uniform = draw(share, step * size, NUM_UNIFORM, (1,)).uniform[:, CAPTION].numpy()
            group = Group(arrays=arrays, rows=np.arange(size), samples=np.arange(size))
            starts, _ = _choose(group, uniform)
            found += [texts[int(arrays["tokens"][start, 0])] for start in starts]
        return found

    found = drawn()
    for row, of_sample in enumerate(weighted):
        times = Counter(found[row::size])
        assert set(times) == set(of_sample)
        title = next(text for text, weight in of_sample.items() if weight == TITLE_WEIGHT)
        assert times[title] / 600 == pytest.approx(1 / 3, abs=0.08)  # four standard deviations
    assert drawn() == found


def test_several_captions_of_one_model_share_its_weight(tmp_path):
    model = save_tiny_blip2(tmp_path / "blip2")
    config = a_corpus(tmp_path, num_pictures=4, num_packs=1)
    table = f'captioner = "blip2"\nmodel = "{model}"\ncaptions_each = 3\nnum_beams = 3\nmax_new_tokens = 5\n'
    config.write_text(config.read_text().replace('captioner = "source-text"', table))
    release = build(str(config), workers=1)
    for _, sample in samples_of(release):
        said = json.loads(sample["json"])
        assert said["caption"] == said["captions"][0]
        assert sum(said["caption_weights"]) == pytest.approx(1.0)
        assert len(said["captions"]) == len(set(said["captions"])) > 1
    made = load_corpus_config(str(config))[0]
    rows = caption_facts(made.store, made.instruments.captions).read("test-00000").to_pylist()
    assert all(row["num_tokens"] >= 1 and row["mean_log_prob"] < 0 for row in rows)
    assert all(len(row["more_mean_log_prob"]) == len(row["more_num_tokens"]) == 2 for row in rows)
    assert last_record(release.store)["done"][f"{CAPTIONING_MS_BY}{made.instruments.captions}"] > 0


def test_captions_of_an_older_corpus_stay_and_are_not_made_again(tmp_path):
    with served() as (url, answers):
        config = a_config(tmp_path, url)
        release = build(str(config), workers=1)
        made = load_corpus_config(str(config))[0]
        facts = caption_facts(made.store, made.instruments.captions)
        names = [name for name in CAPTION_SCHEMA.names if name not in LATER_CAPTION_COLUMNS]
        made.store.write_table(f"{facts.folder}/test-00000.000.parquet", facts.read("test-00000").select(names))
        for name in made.store.files(layout.ROWS):
            made.store.remove(f"{layout.ROWS}/{name}")
        asked = len(answers.asked)
        assert build(str(config), workers=1).version == release.version
        assert len(answers.asked) == asked
    assert facts.read("test-00000")["num_tokens"].null_count == 6


def test_a_takedown_leaves_none_of_its_captions(tmp_path):
    with served() as (url, _):
        config = a_config(tmp_path, url)
        release = build(str(config), workers=1)
        store = release.store
        gone = next(json.loads(s["json"]) for _, s in samples_of(release) if "test:2" in s["json"])
        take_down(store, records=("test:2",))
        after = Release(store.url(f"{layout.RELEASES}/small"))
        assert list(verify(after)) == []
        assert {len(json.loads(sample["json"])["captions"]) for _, sample in samples_of(after)} == {2}
        for measure in ("captions", "unsettled-captions"):
            for path in (Path(store.url("facts")) / measure).rglob("*.parquet"):
                assert not {gone["caption"], gone["title"]} & set(pq.read_table(path)["text"].to_pylist())
        assert build(str(config), workers=1).version == after.version


def test_one_captioner_twice_is_refused(tmp_path):
    config = a_corpus(tmp_path, num_pictures=1)
    config.write_text(config.read_text() + '[captions.again]\nby = { captioner = "source-text" }\n')
    with pytest.raises(ConfigError, match=r"\[captions.again\] writes the captions of \[caption\]; leave one out"):
        load_corpus_config(str(config))


def test_a_kill_loses_no_more_than_a_batch_and_nothing_of_the_release(tmp_path):
    with served() as (url, answers):
        num_pictures, concurrency = 5 * BATCH, 1
        whole = build(str(a_config(tmp_path / "whole", url, num_pictures=num_pictures)), workers=1).version
        config = a_config(tmp_path / "killed", url, num_pictures=num_pictures, concurrency=concurrency)
        answers.asked.clear()
        answers.delay_s = 0.02
        kills = 0
        for until in (BATCH + 5, 3 * BATCH):
            program = "import sys; from byline.pipelines.beam.build import build; build(sys.argv[1], workers=1)"
            started = len(answers.asked)
            process = subprocess.Popen(
                [sys.executable, "-c", program, str(config)], start_new_session=True, stderr=subprocess.DEVNULL
            )
            while process.poll() is None and len(answers.asked) - started < until:
                time.sleep(0.01)
            kills += process.poll() is None
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            time.sleep(0.2)
        answers.delay_s = 0.0
        assert build(str(config), workers=1).version == whole
        urls = [question["messages"][0]["content"][0]["image_url"]["url"] for question in answers.asked]
    times = sorted(Counter(urls).values())
    gray = times.pop()  # asked of once by each process that captions
    assert gray <= kills + 1
    assert kills == 2
    assert len(times) == num_pictures
    assert sum(times) - num_pictures <= kills * (BATCH + 2 * concurrency)
