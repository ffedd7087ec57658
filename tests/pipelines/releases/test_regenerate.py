"""A changed policy: the same bytes as from nothing, at the cost of the change. And views of one corpus share shards."""

import json

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.pipelines.beam.build import build
from byline.pipelines.releases.verify import verify
from tests.builders import POLICY, a_picture, a_yfcc_line, encoded, tree_digest, write_corpus

pytestmark = [pytest.mark.beam, pytest.mark.slow]
CC = "https://creativecommons.org/licenses"
PLAIN = POLICY.replace("radius_bits = 12", 'radius_bits = 12\nlicense_conflict = "ignore"')
WIDE = PLAIN.replace('"CC-BY-SA"]', '"CC-BY-SA", "CC-BY-NC"]').replace(
    '"share-alike"]', '"share-alike", "non-commercial"]'
)
NARROW = PLAIN.replace('"CC-BY", "CC-BY-SA"]', '"CC-BY"]')
STRICT = PLAIN + "[image]\nmin_side_px = 60\n[sources.test.caption]\nmin_characters = 15\n"
CAPPED = PLAIN + "[caps]\nmax_per_creator = 2\n"
NO_DUPLICATES = PLAIN.replace("radius_bits = 12", "radius_bits = 0")
POLICIES = {
    "wide": WIDE,
    "plain": PLAIN,
    "quarantine": POLICY,
    "narrow": NARROW,
    "strict": STRICT,
    "capped": CAPPED,
    "zero": NO_DUPLICATES,
}


def _write(folder, policy):
    """Write a corpus of pictures under four licenses, some small, some twice, some with short captions."""
    (folder / "pictures").mkdir(parents=True)
    lines = []
    for number in range(16):
        size = (96, 64) if number % 5 else (50, 40)
        (folder / f"pictures/{number}.jpg").write_bytes(
            encoded(a_picture(number // 2 * 2 if number > 9 else number, size=size))
        )
        license = ("by/4.0", "by-sa/4.0", "by-nc/4.0", "by-nd/4.0")[number % 4]
        creator = {"unickname": f"Ada+{number % 3}", "licensename": ""}
        lines.append(
            a_yfcc_line(str(number), f"https://pictures.example/{number}.jpg", licenseurl=f"{CC}/{license}/", **creator)
        )
    config = write_corpus(folder, lines, num_packs=3)
    (folder / "policy.toml").write_text(policy)
    return config


def _records(store):
    return [json.loads(store.read_bytes(f"builds/{name}")) for name in store.files("builds")]


@pytest.fixture(scope="module")
def from_nothing(tmp_path_factory):
    """Return the release of each policy, each built in a corpus of its own."""
    folder = tmp_path_factory.mktemp("nothing")
    return {name: build(str(_write(folder / name, policy)), workers=1) for name, policy in POLICIES.items()}


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """Return the releases of one corpus whose policy was changed again and again, widest first."""
    folder = tmp_path_factory.mktemp("changed") / "corpus"
    config = _write(folder, WIDE)
    releases = {}
    for name, policy in POLICIES.items():
        (folder / "policy.toml").write_text(policy)
        releases[name] = build(str(config), workers=1)
    return releases


@pytest.mark.parametrize("name", POLICIES)
def test_a_changed_policy_gives_the_bytes_of_a_build_from_nothing(changed, from_nothing, name):
    ours, fresh = changed[name], from_nothing[name]
    assert ours.version == fresh.version
    assert tree_digest(ours.store.local_path(ours.path)) == tree_digest(fresh.store.local_path(fresh.path))
    assert list(verify(ours)) == []
    for shard in ours.manifest.shards:
        assert ours.read_shard(shard) == fresh.read_shard(shard)


def test_the_policies_differ(from_nothing):
    assert len({release.version for release in from_nothing.values()}) == len(POLICIES)
    reasons = {reason for release in from_nothing.values() for reason in release.manifest.reasons}
    assert {
        "image:too-small",
        "caption:too-short",
        "cap:creator",
        "quarantine:license-conflict",
        "duplicate:same-bytes",
        "license:CC-BY-ND-4.0",
    } <= reasons


def test_nothing_unchanged_is_fetched_measured_or_captioned_again(changed):
    first, *later = [record["done"] for record in _records(changed["plain"].store)]
    assert first["requested"] == first["measured"] == 12
    assert first["captioned"] > 0
    for done in later:
        assert (done["ingested"], done["requested"], done["measured"], done["captioned"]) == (0, 0, 0, 0)


def test_a_widened_policy_fetches_only_what_it_newly_admits(tmp_path, from_nothing):
    config = _write(tmp_path / "corpus", PLAIN)
    build(str(config), workers=1)
    (tmp_path / "corpus/policy.toml").write_text(WIDE)
    wide = build(str(config), workers=1)
    first, second = [record["done"] for record in _records(wide.store)]
    assert (first["requested"], second["requested"], second["measured"]) == (8, 4, 4)
    assert wide.version == from_nothing["wide"].version


def test_only_changed_shards_are_written(changed):
    done = {name: record["done"] for name, record in zip(POLICIES, _records(changed["plain"].store), strict=True)}
    names = {name: {shard.name for shard in release.manifest.shards} for name, release in changed.items()}
    earlier: set[str] = set()
    for name in POLICIES:
        assert done[name]["shards written"] == len(names[name] - earlier)
        earlier |= names[name]


def test_views_of_one_corpus_share_their_unchanged_shards(tmp_path):
    config = _write(tmp_path / "corpus", PLAIN)
    views = {}
    for name, policy in (("commercial", PLAIN), ("noncommercial", WIDE), ("attribution", NARROW)):
        (tmp_path / "corpus/policy.toml").write_text(policy)
        config.write_text(config.read_text().replace('name = "small"', f'name = "{name}"'))
        views[name] = build(str(config), workers=1)
        config.write_text(config.read_text().replace(f'name = "{name}"', 'name = "small"'))
    store = Store(str(tmp_path / "corpus/corpus"))
    assert store.folders("releases") == ["attribution", "commercial", "noncommercial"]
    listed = [shard.name for view in views.values() for shard in view.manifest.shards]
    assert len(set(listed)) == len(store.files("shards", suffix=".tar")) < len(listed)
    for name in views:
        assert list(verify(Release(store.url(f"releases/{name}")))) == []
