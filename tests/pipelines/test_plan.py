"""A plan says what a build would do, and the build does just that."""

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from PIL import Image
from typer import Typer
from typer.testing import CliRunner

from catalog.digests import canonical_json
from catalog.errors import ConfigError, CorpusError
from catalog.facts import FactTable
from catalog.licenses import license_url
from catalog.tars import sample_bytes
from cli.plan import plan as plan_verb
from pipelines.config import load_corpus_config, load_policy
from pipelines.parts import write_records
from pipelines.plans.planning import LATENT_SCHEMA, make_plan, newest_release
from pipelines.plans.sample_sizes import JUDGED, json_bytes, other_bytes, sample_sizes
from pipelines.run import build
from pipelines.sample_schema import SAMPLE_COLUMNS, SAMPLE_SCHEMA
from pipelines.samples import sample_members
from tests.builders import POLICY, a_picture, a_server, a_yfcc_line, encoded, tree_digest, write_corpus

pytestmark = pytest.mark.beam
NARROW = POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC0", "CC-BY"]')
MARK = "Public Domain Mark"
MARK_URL = "https://creativecommons.org/publicdomain/mark/1.0/"
WIDE = POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC-PDM", "CC-BY-SA", "CC-BY"]')
HOSTILE = "[red]Eve%1B[2J%20%5C%22q%22%20%E5%92%8C"
"""Rich markup, a terminal escape, and what JSON escapes."""


def _line(number, kind="by", **said):
    pages = {kind: f"https://creativecommons.org/licenses/{kind}/4.0/" for kind in ("by", "by-sa", "by-nc")}
    names = {"by": "Attribution License", "by-sa": "Attribution-ShareAlike License", "mark": MARK, "by-nc": "x"}
    url = MARK_URL if kind == "mark" else pages[kind]
    return a_yfcc_line(
        str(number), f"https://pictures.example/{number}.jpg", licenseurl=url, licensename=names[kind], **said
    )


def _corpus(folder):
    """Write a corpus of 24 pictures in 3 packs: two licenses, copies across them, refused and missing ones."""
    lines = [_line(i, "by-sa" if i % 3 == 0 else "by", unickname=f"creator+{i % 4}") for i in range(20)]
    lines[3] = _line(3, "by-sa", unickname=HOSTILE, title=HOSTILE)
    lines += [_line(20, "by-sa"), _line(21, "mark"), _line(22, "by-nc"), _line(23)]
    config = write_corpus(folder, lines, num_packs=3)
    (folder / "policy.toml").write_text(POLICY.replace("radius_bits = 12", _LAX))
    for number in range(23):  # 23 is missing
        picture = _detailed() if number in (1, 20) else a_picture(number)
        (folder / f"pictures/{number}.jpg").write_bytes(
            encoded(picture.resize((192, 128)) if number == 20 else picture)
        )
    return config


def _detailed():
    """Return a picture with fine detail, so that its hash survives resizing."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC)


_LAX = 'radius_bits = 12\nkeeper_order = ["pixels"]\nlicense_conflict = "ignore"'
"""Of pictures 1 (BY) and 20 (BY-SA) the larger is kept, 20."""


def _policy(folder, text):
    path = folder / "new.toml"
    path.write_text(text.replace("radius_bits = 12", _LAX))
    return load_policy(str(path), ["test"])


def _plan(config, text):
    made, _ = load_corpus_config(str(config))
    return make_plan(made, _policy(config.parent, text))


def _build(config, text):
    (config.parent / "policy.toml").write_text(text.replace("radius_bits = 12", _LAX))
    before = set((config.parent / "corpus/shards").glob("*.tar"))
    release = build(str(config), workers=1)
    builds = sorted((config.parent / "corpus/builds").glob("*.json"))
    done = json.loads(builds[-1].read_text())["done"]
    written = set((config.parent / "corpus/shards").glob("*.tar")) - before
    return release, done, written


def _agrees(plan, release, done, written):
    """Assert that a build did what the plan said."""
    manifest = release.manifest
    assert {name: manifest.counts[name] for name in plan.counts if name != "waiting"} == {
        name: number for name, number in plan.counts.items() if name != "waiting"
    }
    assert manifest.reasons == plan.reasons
    assert manifest.licenses == plan.licenses
    assert manifest.policy_digest == plan.policy
    assert (done["shards written"], done["shard bytes written"]) == (plan.shards.written, plan.shards.bytes_to_write)
    assert sum(path.stat().st_size for path in written) == plan.shards.bytes_to_write
    assert len(manifest.shards) == plan.shards.written + plan.shards.kept + plan.shards.found
    assert sum(shard.num_bytes for shard in manifest.shards) == plan.shards.bytes_to_write + plan.shards.bytes_kept


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """Build under one policy, then under others; give each plan with what the build then did. Nothing may change it."""
    config = _corpus(tmp_path_factory.mktemp("plan"))
    _build(config, POLICY)
    steps = {}
    for name, text in (("same", POLICY), ("narrow", NARROW), ("back", POLICY)):
        plan = _plan(config, text)
        steps[name] = (plan, _build(config, text))
    return config, steps


@pytest.mark.parametrize("step", ["same", "narrow", "back"])
def test_the_build_does_what_the_plan_says(story, step):
    plan, done = story[1][step]
    assert plan.is_exact
    _agrees(plan, *done)


def test_the_same_policy_changes_nothing(story):
    plan, _ = story[1]["same"]
    assert (plan.added.records, plan.removed.records, plan.shards.written, plan.shards.changed) == (0, 0, 0, ())
    assert plan.shards.kept > 0


def test_what_leaves_and_what_comes_is_grouped(story):
    plan, _ = story[1]["narrow"]
    assert plan.removed.model_dump() == {
        "records": 8,
        "images": 8,
        "by_license": {"CC-BY-SA-4.0": 8},
        "by_source": {"test": 8},
        "by_reason": {"license:CC-BY-SA-4.0": 8},
    }
    assert (plan.added.by_license, plan.added.by_reason) == ({"CC-BY-4.0": 1}, {"duplicate:near": 1})
    assert plan.promoted == 1
    assert sum(who.removed for who in plan.creators) == 8
    assert {(who.creator, who.added) for who in plan.creators if who.added} == {("creator 1", 1)}
    assert (plan.counts_before["admitted"], plan.counts["admitted"]) == (20, 13)


def test_shards_of_an_older_release_are_found_again(story):
    plan, (_, done, _) = story[1]["back"]
    assert done["shards written"] == 0
    assert plan.shards.found > 0
    assert {shard.action for shard in plan.shards.changed} == {"found"}


def test_without_a_release_all_is_new(story, tmp_path):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    other = made.model_copy(update={"name": "other"})
    plan = make_plan(other, policy)
    assert (plan.before, plan.counts_before, plan.removed.records) == (None, {}, 0)
    assert plan.added.records == plan.counts["admitted"] == 20
    assert plan.is_exact
    assert (plan.shards.written, plan.shards.found) == (0, len(plan.shards.changed))
    for path in (config.parent / "corpus/shards").glob("*.json"):
        path.rename(tmp_path / path.name)
    try:
        plan = make_plan(other, policy)
        release, _, _ = story[1]["back"][1]
        assert plan.shards.bytes_to_write == sum(shard.num_bytes for shard in release.manifest.shards)
        assert plan.shards.written == len(release.manifest.shards)
    finally:
        for path in tmp_path.glob("*.json"):
            path.rename(config.parent / "corpus/shards" / path.name)


def test_what_was_never_asked_for_is_to_fetch_and_not_refused(story):
    plan = _plan(story[0], WIDE)
    assert plan.to_fetch.model_dump() == {"records": 1, "by_license": {"CC-PDM-1.0": 1}, "by_source": {"test": 1}}
    assert plan.counts["waiting"] == 1
    assert not plan.is_exact
    assert not any("not-asked" in reason for reason in plan.reasons)


def test_another_split_moves_samples_and_tells_the_latents_that_lack(story):
    config, _ = story
    text = POLICY.replace("heldout_fraction = 0.2", "heldout_fraction = 0.6")
    assert _plan(config, text).latents == {}
    store = load_corpus_config(str(config))[0].store
    train = story[1]["back"][1][0].manifest
    shard = next(shard for shard in train.shards if shard.split == "train")
    known = store.read_table(f"shards/{shard.name.removesuffix('.tar')}.parquet", ["sha256"]).to_pylist()[:1]
    facts = FactTable(store=store, measure="latents", instrument="vae", schema=LATENT_SCHEMA)
    facts.append(shard.pack, known)
    plan = _plan(config, POLICY)
    assert plan.latents == {"vae": train.counts["train"] - 1}
    plan = _plan(config, text)
    assert plan.moved == {"train -> heldout": plan.counts_before["train"] - plan.counts["train"]}
    assert plan.counts["heldout"] > plan.counts_before["heldout"]
    assert (plan.added.records, plan.removed.records) == (0, 0)


def test_another_captioner_has_all_captions_to_make(story):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    words = type(made.caption).model_validate({**made.caption.model_dump(), **_other_caption(made.caption)})
    plan = make_plan(made.model_copy(update={"caption": words}), policy)
    assert plan.to_caption.records > 20
    assert plan.removed.records == 0
    assert not plan.is_exact


def _other_caption(config):
    """Return a setting of the captioner that renames its instrument."""
    number = next(name for name, value in config.model_dump().items() if isinstance(value, int))
    return {number: getattr(config, number) + 1}


def test_a_source_that_the_release_does_not_have_is_named(story):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    more = made.sources[0].model_copy(update={"name": "more"})
    plan = make_plan(made.model_copy(update={"sources": (*made.sources, more)}), policy)
    assert plan.sources == {"more": "never ingested", "test": "as ingested"}
    assert not plan.is_exact


def test_a_source_that_is_left_out_takes_its_pictures_along(story):
    config, _ = story
    made, policy = load_corpus_config(str(config))
    more = made.sources[0].model_copy(update={"name": "more"})
    plan = make_plan(made.model_copy(update={"sources": (more,)}), policy)
    assert plan.sources["test"] == "in the release, and not in the config"
    assert (plan.removed.records, plan.removed.by_reason) == (20, {"record:gone": 20})
    assert plan.is_empty
    assert plan.shards.dropped == len(plan.shards.changed) > 0


def test_a_source_file_that_changed_is_named(story):
    config, _ = story
    metadata = config.parent / "metadata.tsv"
    said = metadata.read_text()
    metadata.write_text(said + _line(99) + "\n")
    os.utime(metadata, (0, 0))  # as a copy that keeps its times does
    try:
        assert _plan(config, POLICY).sources == {"test": "changed since it was ingested"}
    finally:
        metadata.write_text(said)
    assert _plan(config, POLICY).sources == {"test": "as ingested"}


def test_records_that_are_gone_take_their_pictures_along(story):
    config, _ = story
    store = load_corpus_config(str(config))[0].store
    (path,) = _newest(config).manifest.records.values()
    whole = store.read_bytes(path)
    records = store.read_table(path)
    write_records(store, path, records.filter(pc.not_equal(records["record_id"], "test:2")))
    _forget_rows(config)
    try:
        plan = _plan(config, POLICY)
    finally:
        store.write_bytes(path, whole)
    assert (plan.removed.records, plan.removed.images) == (1, 1)
    assert plan.removed.by_reason == {"record:gone": 1}
    assert (plan.shards.written, plan.counts["admitted"]) == (1, 19)


def test_what_may_pass_is_asked_for_again(tmp_path):
    with a_server({"/a": (200, "image/jpeg", encoded(a_picture(1))), "/busy": (503, "text/html", b"")}) as (base, _):
        config = write_corpus(tmp_path, [a_yfcc_line("a", f"{base}/a"), a_yfcc_line("busy", f"{base}/busy")])
        build(str(config), workers=1)
    plan = make_plan(*load_corpus_config(str(config)))
    assert (plan.to_fetch_again, plan.is_exact) == (1, False)


def _newest(config):
    return newest_release(load_corpus_config(str(config))[0])


def _forget_rows(config):
    for path in (config.parent / "corpus/judgements/rows").iterdir():
        path.unlink()


def _state_of(folder):
    return tree_digest(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_nothing_is_written_not_even_rows_that_a_build_would_keep(story):
    config, _ = story
    corpus = config.parent / "corpus"
    _forget_rows(config)
    before = _state_of(corpus)
    for text in (NARROW, WIDE):
        _plan(config, text)
    assert _state_of(corpus) == before


def test_pairs_that_were_not_searched_are_found_without_writing_them(story):
    config, _ = story
    before = _plan(config, NARROW)
    for path in (config.parent / "corpus/facts/edges").rglob("*.parquet"):
        path.unlink()
    assert _plan(config, NARROW) == before


def _run(*arguments):
    app = Typer()
    app.command()(plan_verb)
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "80"})


def test_json_has_the_whole_plan_in_order(story):
    config, _ = story
    result = _run(config, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == _plan(config, POLICY).model_dump(mode="json")
    assert list(json.loads(result.stdout)) == sorted(json.loads(result.stdout))
    documented = plan_verb.__doc__.split("The keys of --json, which stay: ")[1]
    assert all(f"{key}" in documented for key in json.loads(result.stdout) if key != "name")


def test_the_terminal_shows_a_plan_in_80_columns_and_nothing_that_a_source_could_do(story):
    config, _ = story
    path = config.parent / "narrow.toml"
    path.write_text(NARROW.replace("radius_bits = 12", _LAX))
    result = _run(config, "--policy", path)
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.stdout
    assert '[red]Eve [2J \\"q" 和 (test)' in result.stdout
    assert "license:CC-BY-SA-4.0" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_a_policy_that_leaves_nothing_is_told(story):
    config, _ = story
    path = config.parent / "nothing.toml"
    path.write_text(POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["MIT"]'))
    result = _run(config, "--policy", path)
    assert result.exit_code == 0
    assert "Nothing would be left: byline build would make no release." in result.stdout


def test_what_cannot_be_planned_is_an_error(story, tmp_path):
    config, _ = story
    path = tmp_path / "unknown.toml"
    path.write_text(POLICY + "[sources.nowhere.image]\nmin_side_px = 3\n")
    with pytest.raises(ConfigError, match=r"\[sources.nowhere\] is no source of the corpus; they are test"):
        load_policy(str(path), ["test"])
    made, policy = load_corpus_config(str(config))
    with pytest.raises(CorpusError, match="no corpus at .*/nowhere; make one with: byline build"):
        make_plan(made.model_copy(update={"root": str(tmp_path / "nowhere")}), policy)


@pytest.mark.parametrize("what", ["verdicts", "manifest.json"])
def test_an_edited_release_is_named(story, what):
    config, steps = story
    release = steps["back"][1][0]
    folder = release.store.local_path(release.path)
    path = next((folder / what).glob("*.parquet")) if what == "verdicts" else folder / what
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" if what == "verdicts" else whole.replace(b'"admitted":20', b'"admitted":21'))
    try:
        with pytest.raises(CorpusError, match=f"{path.name} was edited"):
            _plan(config, POLICY)
    finally:
        path.write_bytes(whole)


def test_planning_loads_neither_beam_nor_torch():
    code = (
        "import sys, cli.plan, cli.diff, pipelines.plans.planning, pipelines.plans.differences, pipelines.config\n"
        "print([name for name in ('apache_beam', 'torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


TEXTS = ["", "plain", 'a "quoted" \\ path', "tab\tnewline\n\x00\x1f\x7f", "和平 é 🙂", None]


def _sample(number):
    """Return a sample whose text has whatever JSON escapes, and whose license and split differ by number."""
    license, split = ("CC0-1.0", "LicenseRef-unknown")[number % 2], ("heldout", "train")[number % 2]
    text = TEXTS[number % len(TEXTS)]
    said = {"key": f"{number:064x}", "caption": (text or "") + "x" * number, "width": None, "height": 10**number}
    said |= {"original_width": 0, "original_height": 2**31 - 1}
    judged = {"license": license, "license_url": license_url(license), "split": split}
    return dict.fromkeys(SAMPLE_COLUMNS, text) | said | judged


def test_sizes_of_samples_are_those_of_their_bytes():
    rows = [_sample(number) for number in range(10)]
    samples = pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA)
    said = {name: samples[name] for name in SAMPLE_COLUMNS if name not in JUDGED}
    judged = [sum(len(canonical_json(row[name])) for name in JUDGED) for row in rows]
    assert (json_bytes(said) + judged).tolist() == [len(canonical_json(row)) for row in rows]
    pictures = [bytes(size) for size in (0, 1, 511, 512, 513, 9999, 1024, 7, 8, 9)]
    others = other_bytes(np.array([len(picture) for picture in pictures]), samples["caption"])
    licenses, places = ["CC0-1.0", "LicenseRef-unknown"], np.arange(len(rows)) % 2
    sizes = sample_sizes(json_bytes(said), others, places, licenses, places == 0)
    made = [len(sample_bytes(sample_members(row, data))) for row, data in zip(rows, pictures, strict=True)]
    assert sizes.tolist() == made
