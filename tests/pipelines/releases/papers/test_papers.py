"""The cards and summaries: true of their rows, the same every time, and closed to whatever a source says."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from byline.pipelines.releases.papers import PAPERS
from byline.pipelines.releases.papers.card import metadata, readme, size_category
from byline.pipelines.releases.papers.credits import credits_txt
from byline.pipelines.releases.papers.credits_page import credits_html
from byline.pipelines.releases.papers.front_matter import front_matter
from byline.pipelines.releases.papers.lint import contradictions
from byline.pipelines.releases.papers.summary import image_range, top_tenth, training_content_summary
from byline.pipelines.releases.papers.tools import tools_json
from byline.pipelines.releases.papers.wording import rules_of
from tests.pipelines.releases.papers.accounts import EVIL, a_credit, a_source, a_tool, an_account

MARKDOWN = [name for name in PAPERS if name.endswith(".md")]


def _html(paper: bytes) -> str:
    text = paper.decode()
    body = text.split("\n---\n", 1)[1] if text.startswith("---\n") else text
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))


def _an_evil_account():
    return an_account(
        a_credit(0, title=EVIL, creator=EVIL, changes=EVIL),
        name=EVIL,
        sources=(a_source(name=EVIL, reader=EVIL, domains={EVIL: 1}, first_retrieved_at=EVIL, last_retrieved_at=EVIL),),
        tools=(a_tool(name=EVIL, license=EVIL, license_seen=EVIL, verdict=EVIL, url=f"https://x.example/{EVIL}"),),
        captioner={"model": EVIL, "revision": EVIL, "prompt": EVIL, "decoding": EVIL},
        changes=EVIL,
        policy={"license": {"families": [EVIL]}, EVIL: {"key": EVIL}, "consent": {"opted_out": EVIL}},
        reasons={EVIL: 1},
    )


@pytest.mark.slow
def test_equal_accounts_give_equal_papers():
    code = (
        "from tests.pipelines.releases.papers.accounts import *; "
        "from byline.pipelines.releases.papers import write_papers; "
        "import hashlib; "
        "sources = (a_source(domains={f'h{n}': 1 for n in range(9)}), a_source(name='b', reader='commons'));"
        "account = an_account(*(a_credit(n, creator=f'c{n % 3}') for n in range(9)), sources=sources);"
        "print(hashlib.sha256(repr(write_papers(account)).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop()) == 65


def test_credits_for_people_do_not_depend_on_the_order_of_the_rows():
    rows = [a_credit(number, creator=f"c{number % 2}") for number in range(5)]
    one, other = an_account(*rows), an_account(*reversed(rows))
    assert credits_txt(one) == credits_txt(other)
    assert credits_html(one) == credits_html(other)


@pytest.mark.parametrize("name", MARKDOWN)
def test_markdown_shows_what_a_source_says_as_words(name):
    html = _html(PAPERS[name](_an_evil_account()))
    assert "<script" not in html
    assert 'href="http://evil.example"' not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "alert(1)" in html


@pytest.mark.parametrize("name", PAPERS)
def test_no_paper_holds_a_control_character(name):
    text = PAPERS[name](_an_evil_account()).decode()
    assert not [char for char in text if (ord(char) < 32 and char != "\n") or char == "\u202e"]


def test_a_source_cannot_write_into_the_front_matter():
    stated = front_matter(readme(_an_evil_account()).decode(), "README.md")
    assert stated == json.loads(json.dumps(metadata(_an_evil_account())))
    assert stated["license"] == "cc-by-2.0"


@pytest.mark.parametrize(
    ("licenses", "tag"),
    [
        (["CC-BY-2.0"], "cc-by-2.0"),
        (["CC-BY-SA-4.0", "CC-BY-SA-4.0"], "cc-by-sa-4.0"),
        (["CC0-1.0"], "cc0-1.0"),
        (["CC-BY-2.0", "CC-BY-4.0"], "other"),
        (["CC0-1.0", "CC-BY-4.0"], "other"),
        (["CC-BY-SA-2.0"], "other"),
        (["LicenseRef-public-domain"], "other"),
        (["CC-BY-3.0-DE"], "other"),
        (["LicenseRef-CC-BY"], "other"),
    ],
)
def test_the_license_tag_is_true_of_every_row(licenses, tag):
    account = an_account(*(a_credit(number, license=spdx) for number, spdx in enumerate(licenses)))
    stated = yaml.safe_load(readme(account).decode().split("---\n")[1])
    assert stated["license"] == tag
    assert ("license_link" in stated) == (tag == "other")
    assert contradictions(tag, account.manifest.licenses) == []


def test_the_hub_library_reads_the_card():
    card = DatasetCard(readme(an_account()).decode())
    assert card.data.license == "cc-by-2.0"
    assert card.data.size_categories == ["n<1K"]
    assert card.data.configs[0]["data_files"] == [
        {"split": "train", "path": ["shards/test-00000-train-0123456789abcdef.tar"]}
    ]


@pytest.mark.parametrize(
    ("rows", "category"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (70_000_000, "10M<n<100M"), (10**9, "n>1B")]
)
def test_size_categories(rows, category):
    assert size_category(rows) == category


def test_the_card_counts():
    html = _html(readme(an_account(a_credit(0), a_credit(1, license="CC0-1.0"))))
    assert "<td>records that the sources offered</td>\n<td" in html
    assert ">5<" in html
    assert "license:CC-BY-NC-2.0" in html
    assert "Share what you adapt" not in html
    assert "Credit the creators" in html


def test_models_that_wrote_captions_are_named():
    captioner = {
        "model": "blip2-opt-2.7b",
        "revision": "sha256:ab",
        "prompt": "a photo of",
        "decoding": '{"num_beams":5}',
    }
    account = an_account(captioner=captioner)
    for paper in (readme(account), training_content_summary(account)):
        assert "blip2-opt-2.7b" in _html(paper)
        assert "sha256:ab" in _html(paper)
    assert "Yes: the captions." in training_content_summary(account).decode()
    assert metadata(account)["annotations_creators"] == ["machine-generated"]
    assert "No captions of this release are." in training_content_summary(an_account()).decode()


def test_the_summary_has_every_section_of_the_template():
    text = training_content_summary(an_account()).decode()
    sections = "1. 1.1. 1.2. 1.3. 2. 2.1. 2.2. 2.2.1. 2.2.2. 2.3. 2.4. 2.5. 2.6. 3. 3.1. 3.2. 3.3.".split()
    assert [line.split()[1] for line in text.splitlines() if line.startswith("##")] == sections


def test_the_summary_lists_the_top_tenth_of_all_hosts_over_all_sources():
    hosts = {f"h{number}.example": 1 for number in range(20)}
    sources = (
        a_source(domains={**hosts, "b.example": 3}),
        a_source(name="two", domains={"b.example": 4, "a.example": 9}),
    )
    text = training_content_summary(an_account(sources=sources)).decode()
    assert "| a.example | 9 |\n| b.example | 7 |\n| h0.example | 1 |\n\n" in text
    assert "3 of\n22 hosts, with 17 of" in text
    assert [top_tenth(number) for number in (0, 1, 10, 11)] == [0, 1, 1, 2]


@pytest.mark.parametrize(
    ("admitted", "words"),
    [
        (999_999, "Less than 1 million images"),
        (10**6, "1 million to 1 billion images"),
        (10**9 + 1, "More than 1 billion images"),
    ],
)
def test_size_ranges_of_the_template(admitted, words):
    manifest = an_account().manifest
    assert image_range(manifest.model_copy(update={"counts": {"admitted": admitted}})) == words


def test_a_time_that_not_every_source_states_is_not_filled_in():
    dated, undated = a_source(), a_source(name="two", first_retrieved_at=None, last_retrieved_at=None)
    assert an_account(sources=(dated,)).timeframe == ("2024-05-01T10:00:00Z", "2024-05-03T10:00:00Z")
    assert an_account(sources=(dated, undated)).timeframe is None
    assert (
        "not every source states when it was asked"
        in training_content_summary(an_account(sources=(dated, undated))).decode()
    )


@pytest.mark.parametrize("is_measured", [True, False])
@pytest.mark.parametrize("has_rules", [True, False])
def test_the_summary_says_of_safety_what_was_measured_and_what_was_judged(is_measured, has_rules):
    account = an_account(policy={"license": {}, **({"safety": {"max_nsfw": 0.8}} if has_rules else {})})
    manifest = account.manifest
    if is_measured:
        instruments = {**manifest.instruments, "safety": "yahoo-open-nsfw-1"}
        manifest = manifest.model_copy(update={"instruments": instruments})
    said = _html(training_content_summary(replace(account, manifest=manifest)))
    assert ("The safety instrument <code>yahoo-open-nsfw-1</code> scored the pictures." in said) == is_measured
    assert ("byline measured nothing of the kind" in said) != is_measured
    assert ("safety.max_nsfw = 0.8" in said) == has_rules
    assert ("This policy has no rule on safety" in said) != has_rules


def test_rules_of_a_source_are_told_after_the_general_ones():
    policy = {
        "license": {"families": ["CC0"]},
        "credit": {"required": []},
        "sources": {"web": {"credit": {"required": ["title"]}, "image": {"min_side_px": 9}}, "old": {}},
    }
    said = rules_of(an_account(policy=policy), "license", "credit")
    assert said == "license.families = CC0; credit.required = none; sources.web.credit.required = title"
    assert "sources.web.credit.required = title" in _html(training_content_summary(an_account(policy=policy)))


def test_a_policy_without_a_rule_on_opt_outs_says_so():
    without = training_content_summary(an_account()).decode()
    assert "This policy has no rule on machine-readable opt-outs." in without
    policy = {"license": {}, "consent": {"opted_out": "refuse"}}
    account = an_account(policy=policy, reasons={"consent:opted-out": 7})
    assert "They refused 7 records." in training_content_summary(account).decode()


def test_tools_json_has_every_tool_with_the_text_that_its_license_was_read_from():
    assert json.loads(tools_json(an_account())) == [vars(a_tool())]
