"""A corpus whose plans and builds are compared."""

import json

import numpy as np
from PIL import Image

from byline.pipelines.beam.build import build
from byline.pipelines.corpora.config import load_corpus_config, load_policy
from byline.pipelines.rights.plans.planning import make_plan, newest_release
from tests.builders import POLICY, a_picture, a_yfcc_line, encoded, tree_digest, write_corpus

NARROW = POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC0", "CC-BY"]')
MARK = "Public Domain Mark"
MARK_URL = "https://creativecommons.org/publicdomain/mark/1.0/"
WIDE = POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC-PDM", "CC-BY-SA", "CC-BY"]')
HOSTILE = "[red]Eve%1B[2J%20%5C%22q%22%20%E5%92%8C"
"""Rich markup, a terminal escape, and what JSON escapes."""


def a_line(number, kind="by", **said):
    pages = {kind: f"https://creativecommons.org/licenses/{kind}/4.0/" for kind in ("by", "by-sa", "by-nc")}
    names = {"by": "Attribution License", "by-sa": "Attribution-ShareAlike License", "mark": MARK, "by-nc": "x"}
    url = MARK_URL if kind == "mark" else pages[kind]
    return a_yfcc_line(
        str(number), f"https://pictures.example/{number}.jpg", licenseurl=url, licensename=names[kind], **said
    )


def a_planned_corpus(folder):
    """Write a corpus of 24 pictures in 3 packs: two licenses, copies across them, refused and missing ones."""
    lines = [a_line(i, "by-sa" if i % 3 == 0 else "by", unickname=f"creator+{i % 4}") for i in range(20)]
    lines[3] = a_line(3, "by-sa", unickname=HOSTILE, title=HOSTILE)
    lines += [a_line(20, "by-sa"), a_line(21, "mark"), a_line(22, "by-nc"), a_line(23)]
    config = write_corpus(folder, lines, num_packs=3)
    (folder / "policy.toml").write_text(POLICY.replace("radius_bits = 12", LAX))
    for number in range(23):  # 23 is missing
        picture = a_detailed_picture() if number in (1, 20) else a_picture(number)
        (folder / f"pictures/{number}.jpg").write_bytes(
            encoded(picture.resize((192, 128)) if number == 20 else picture)
        )
    return config


def a_detailed_picture():
    """Return a picture with fine detail, so that its hash survives resizing."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((96, 64), Image.Resampling.BICUBIC)


LAX = 'radius_bits = 12\nkeeper_order = ["pixels"]\nlicense_conflict = "ignore"'
"""Of pictures 1 (BY) and 20 (BY-SA) the larger is kept, 20."""


def policy_in(folder, text):
    path = folder / "new.toml"
    path.write_text(text.replace("radius_bits = 12", LAX))
    return load_policy(str(path), ["test"])


def plan_of(config, text):
    made, _ = load_corpus_config(str(config))
    return make_plan(made, policy_in(config.parent, text))


def build_with(config, text):
    (config.parent / "policy.toml").write_text(text.replace("radius_bits = 12", LAX))
    before = set((config.parent / "corpus/shards").glob("*.tar"))
    release = build(str(config), workers=1)
    builds = sorted((config.parent / "corpus/builds").glob("*.json"))
    done = json.loads(builds[-1].read_text())["done"]
    written = set((config.parent / "corpus/shards").glob("*.tar")) - before
    return release, done, written


def assert_agrees(plan, release, done, written):
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


def newest_of(config):
    return newest_release(load_corpus_config(str(config))[0])


def forget_rows(config):
    for path in (config.parent / "corpus/judgements/rows").iterdir():
        path.unlink()


def state_of(folder):
    return tree_digest(folder), {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
