"""Readers and captioners of other distributions, and what is said when they cannot be used."""

import json

import pytest

from byline.catalog.errors import ConfigError, ExtensionError, SourceError
from byline.pipelines.beam.build import build, last_record
from byline.pipelines.corpora.config import load_corpus_config
from byline.pipelines.corpora.extensions import found_extensions
from byline.pipelines.sources.readers import read_source
from byline.pipelines.sources.readers.options import AS_IT_IS
from tests.builders import BY_4, a_corpus
from tests.extension_packages import found_anew, install
from tests.pipelines.extending.conftest import ENTRY_POINTS, MODULE


def a_row(number, **overrides):
    url = f"https://pictures.example/{number}.jpg"
    return {"id": str(number), "image": url, "rights": BY_4, "title": f"vase {number}", **overrides}


def a_museum(folder, lines):
    """Write a corpus whose source is read by the museum's reader; return its config."""
    config = a_corpus(folder, num_pictures=4, num_packs=2)
    (folder / "museum.jsonl").write_text("".join(f"{line}\n" for line in lines))
    said = config.read_text().replace('reader = "yfcc"', 'reader = "museum"')
    config.write_text(said.replace("metadata.tsv", "museum.jsonl"))
    return config


@pytest.mark.slow
@pytest.mark.beam
def test_a_row_without_a_picture_is_told_and_the_rest_is_built(tmp_path, museum):
    rows = [a_row(0), a_row(1), a_row(2)]
    del rows[1]["image"]
    release = build(str(a_museum(tmp_path, [*map(json.dumps, rows), '{"id": 3}', "{"])), workers=2)
    assert release.manifest.counts["admitted"] == 2
    assert last_record(release.store)["outcomes"]["test"] == {"fetched": 2, "unreadable": 3}


@pytest.mark.slow
@pytest.mark.beam
def test_another_version_of_a_reader_reads_again(tmp_path, museum):
    config = a_museum(tmp_path, map(json.dumps, [a_row(0)]))
    before = build(str(config), workers=1)
    assert build(str(config), workers=1).path == before.path
    install(museum, "museum-x", ENTRY_POINTS, MODULE, version="1.1")
    found_anew()
    assert build(str(config), workers=1).manifest.records != before.manifest.records


@pytest.mark.slow
@pytest.mark.beam
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_reader_does_not_foresee_is_one_line_with_the_row(tmp_path, museum, workers):
    config = a_museum(tmp_path, [json.dumps(a_row(0)), "stop"])
    with pytest.raises(SourceError) as told:
        build(str(config), workers=workers)
    assert str(told.value).startswith("source test: reader museum (museum-x 1.0) failed at row 2 of ")
    assert "KeyError: 'image' (museum_x.py line " in str(told.value)
    assert "\n" not in str(told.value)


def test_a_record_with_a_value_of_another_kind_is_an_unreadable_row(tmp_path, museum):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(a_row(0, **row)) + "\n" for row in ({"id": 7}, {"title": ["a"]}, {"image": ""})))
    problems = [row.problem for row in read_source("museum", str(path), "test", AS_IT_IS)]
    assert problems == ["id is not text: 7", "title is not text: ['a']", "no url"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return [1]", "gave a int; a row is an ImageRecord, UnreadableRow or LeftOut"),
        ("raise OSError('no disk')", r"failed at row 1 of x: OSError: no disk \(odd.py line 2\)"),
    ],
)
def test_a_reader_that_gives_something_else_is_one_line(site, body, said):
    install(site, "odd", "[byline.sources]\nodd = odd:read\n", f"def read(path, source, options):\n    {body}\n")
    found_anew()
    with pytest.raises(SourceError, match=rf"source s: reader odd \(odd 1.0\) {said}"):
        list(read_source("odd", "x", "s", AS_IT_IS))


@pytest.mark.slow
@pytest.mark.beam
def test_captions_are_an_extensions_and_made_again_when_its_settings_change(tmp_path, museum):
    config = a_corpus(tmp_path, num_pictures=4, num_packs=2)
    config.write_text(config.read_text().replace('captioner = "source-text"', 'captioner = "loud"'))
    release = build(str(config), workers=2)
    shard = release.manifest.shards[0].name.removesuffix(".tar")
    captions = release.store.read_table(f"shards/{shard}.parquet")["caption"].to_pylist()
    assert captions
    assert all(caption.startswith("BLOBS NUMBER ") and caption.endswith("!") for caption in captions)
    config.write_text(config.read_text().replace('"loud"', '"loud"\nending = "?"'))
    assert build(str(config), workers=1).path != release.path
    assert last_record(release.store)["done"]["captioned"] == 4


def test_settings_that_an_extension_does_not_have_are_named(tmp_path, museum):
    config = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    text = config.read_text()
    config.write_text(text.replace('captioner = "source-text"', 'captioner = "loud"\nvolume = 3'))
    with pytest.raises(ConfigError, match=r"\[caption\]: unknown key 'volume'; known keys: ending"):
        load_corpus_config(str(config))
    config.write_text(text + "[metrics.brightness]\ngamma = 3\n")
    with pytest.raises(ConfigError, match=r"\[metrics.brightness\]: unknown key 'gamma'; known keys: scale"):
        load_corpus_config(str(config))


def test_a_name_of_ours_or_of_another_is_one_clear_line(tmp_path, site):
    config = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    install(site, "taker", "[byline.sources]\nyfcc = taker:read\n[byline.metrics]\nblue = taker:M\n", "")
    install(site, "other", "[byline.metrics]\nblue = other:M\n", "")
    found_anew()
    with pytest.raises(ConfigError, match=r"reader yfcc \(taker 1.0\) has a name of byline's own; rename it in taker"):
        load_corpus_config(str(config))
    config.write_text(config.read_text().replace('"yfcc"', '"csv"') + "[metrics.blue]\n")
    with pytest.raises(ConfigError, match="other and taker both have a metric 'blue'; uninstall one"):
        load_corpus_config(str(config))


def test_what_is_not_installed_is_one_line_with_what_is(tmp_path, museum):
    config = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    config.write_text(config.read_text().replace('"yfcc"', '"flickr"'))
    with pytest.raises(ConfigError, match=r"no reader 'flickr'; known: commons, csv, .*museum.* byline\.sources"):
        load_corpus_config(str(config))


def test_an_extension_that_does_not_import_is_named_with_its_distribution_and_only_when_it_is_used(tmp_path, site):
    install(site, "broken", "[byline.metrics]\nbroken = broken:M\nabsent = broken:N\n", "import no_such_module\n")
    found_anew()
    config = a_corpus(tmp_path, num_pictures=1, num_packs=1)
    load_corpus_config(str(config))
    config.write_text(config.read_text() + "[metrics.broken]\n")
    said = r"metric broken \(broken 1.0\) does not load from broken:M: ModuleNotFoundError: No module named"
    with pytest.raises(ExtensionError, match=said):
        load_corpus_config(str(config))


def test_all_that_is_found_is_listed_with_what_is_wrong(museum):
    install(museum, "faulty", "[byline.rules]\nfaulty = json:dumps\n[byline.captioners]\nblip2 = json:dumps\n", "")
    found_anew()
    found = {(one.group.removeprefix("byline."), one.name): one for one in found_extensions()}
    whole = [one[:4] for one in found.values() if one.problem is None]
    assert whole == [
        ("byline.sources", "museum", "museum-x", "1.0"),
        ("byline.captioners", "loud", "museum-x", "1.0"),
        ("byline.metrics", "brightness", "museum-x", "1.0"),
        ("byline.rules", "wordy", "museum-x", "1.0"),
    ]
    assert found["rules", "faulty"].problem.endswith("is not a subclass of byline.catalog.policies.custom_rules.Rule")
    assert found["captioners", "blip2"].problem.startswith("captioner blip2 (faulty 1.0) has a name of byline's own")
