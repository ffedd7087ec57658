"""No two pictures that the policy's embedding calls copies are admitted both, so none is held out from the other."""

import json

import numpy as np
import pyarrow as pa
import pytest

from byline.catalog.policies.policy import DuplicateRules, LicenseRules, Policy, ReleaseRules, SplitRules
from byline.dedup.embedding.neighbors import similar_pairs
from byline.pipelines.facts.measures import CODE_SCHEMA, EDGE_SCHEMA, SIMILAR_SCHEMA
from byline.pipelines.facts.rows import ROW_SCHEMA
from byline.pipelines.judging.judge import judge_packs
from byline.pipelines.judging.verdicts import Pack

MIN_COSINE = 0.7
POLICY = Policy(
    license=LicenseRules(families=("CC-BY",)),
    duplicates=DuplicateRules(radius_bits=12, min_cosine=MIN_COSINE, license_conflict="ignore"),
    release=ReleaseRules(obligations=("attribution",)),
    split=SplitRules(heldout_fraction=0.5),
)


def a_row(number, pixels, license_text):
    digest = f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}" + "0" * 48
    return {
        "record_id": f"s:{number}",
        "license_claims": json.dumps([["license", license_text]]),
        "lacks": 0,
        "creator": number,
        "outcome": "fetched",
        "sha256": digest,
        "original_width": pixels,
        "original_height": 100,
        "sharpness": 10.0,
        "flatness": 0.2,
        "contrast": 0.2,
        "spread": 200,
        "phash256": number.to_bytes(2, "big") * 16,
        "colors": b"\x80" * 48,
        "pixels": digest,
        "caption_characters": 7,
        "caption_flags": 0,
    }


def some_vectors(random, count):
    """Unit vectors at every distance, many of them equal to others."""
    values = np.repeat(random.standard_normal((count // 12, 8)), 12, axis=0)
    values = values + random.standard_normal(values.shape) * random.uniform(0, 1.2, (len(values), 1))
    equal = random.integers(0, len(values), (2, count // 3))
    values[equal[0]] = values[equal[1]]
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)


def judged(vectors, rows):
    """Return the verdicts of rows that have these vectors, in the order of the rows."""
    order = np.argsort([row["sha256"] for row in rows])  # as a search sorts them
    found, names = similar_pairs(vectors[order], min_cosine=0.6), np.array([row["sha256"] for row in rows])[order]
    similar = pa.table([names[found["i"]], names[found["j"]], found["cosine"]], SIMILAR_SCHEMA)
    table = pa.Table.from_pylist(rows, ROW_SCHEMA)
    codes = CODE_SCHEMA.empty_table()
    packs = [Pack(name="s-00000", read=table.select)]
    ((_, verdicts),) = judge_packs(packs, EDGE_SCHEMA.empty_table(), codes, POLICY, similar=similar)
    return verdicts.to_pylist()


@pytest.mark.parametrize("seed", range(12))
def test_no_two_that_are_admitted_have_the_cosine_of_copies(seed):
    random = np.random.default_rng(seed)
    vectors = some_vectors(random, 240)
    says = random.choice(["CC BY 4.0", "CC BY 4.0", "CC BY-NC 4.0"], len(vectors))
    rows = [a_row(n, int(random.integers(100, 200)), str(text)) for n, text in enumerate(says, 1)]
    verdicts = judged(vectors, rows)
    admitted = np.flatnonzero([verdict["admitted"] for verdict in verdicts])
    assert {verdicts[row]["split"] for row in admitted} == {"train", "heldout"}
    units = vectors[admitted].astype(np.float64)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = np.triu((units @ units.T).astype(np.float32), 1)
    assert cosines.max() < np.float32(MIN_COSINE)
    assert (cosines > 0.6).any()


def test_of_two_with_equal_vectors_each_is_a_copy_of_what_one_was_paired_with():
    vectors = np.array([[1, 0], [0.9, 0.436], [0.9, 0.436]], np.float16)
    rows = [a_row(1, 200, "CC BY 4.0"), a_row(2, 100, "CC BY 4.0"), a_row(3, 100, "CC BY 4.0")]
    verdicts = judged(vectors, rows)
    assert [verdict["keeper_record_id"] for verdict in verdicts] == [None, "s:1", "s:1"]
    assert [round(verdict["cosine"], 2) for verdict in verdicts[1:]] == [0.9, 0.9]
