"""Every HTML page of the house: it extends the base, may run only its own script, and needs nothing from elsewhere."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bs4 import BeautifulSoup
from jinja2 import UndefinedError

from byline.evaluation.evaluating import Choices, Evaluation
from byline.evaluation.measures import Refused
from byline.evaluation.pictures import Pictures
from byline.evaluation.telling import as_plain_data
from byline.pages.chart import line_chart
from byline.pages.html import csp_hash, html_templates
from byline.pipelines.releases.papers.credits_page import credits_html
from byline.pipelines.releases.papers.memorization import memorization_html
from byline.pipelines.rights.takedown.page import review_page
from byline.reports import page as report
from byline.reports.captions import ByCaptioner, Captioned, Captions, ShownCaption
from byline.reports.captions_page import captions_page
from byline.reports.collecting import ReportData
from byline.reports.evaluation_page import evaluation_page
from byline.reports.runs import Run
from byline.reports.runs_page import runs_page
from tests.pipelines.releases.papers.accounts import a_credit, an_account
from tests.pipelines.rights.duplicates.clusters import a_picture
from tests.pipelines.rights.duplicates.test_duplicates_page import _text as duplicates_text
from tests.pipelines.rights.duplicates.test_duplicates_page import a_cluster, a_copy
from tests.pipelines.rights.takedown.test_page import a_case
from tests.reports.runs import a_checkpoint, a_validation, an_about, an_entry
from tests.test_architecture import HOUSE

ROOT = Path(__file__).parents[2]
BASE = "base.html.j2"
TEMPLATES = [path for room in HOUSE["TOPS"] for path in (ROOT / room).rglob("*.html.j2")]
PARTS = {BASE, "macros.html.j2"}
LOADING = "link, base, iframe, object, embed, video, audio, script[src], img:not([src^='data:']), form, [style]"
EVIL = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>"


def _report(model=None):
    release = _Release()
    row = {
        **dict.fromkeys(("caption", "sha256", "split", "source_url", "license_url", "distance", "cosine", "view")),
        **{"record_id": "a:1", "title": EVIL, "creator": EVIL, "license": "CC0-1.0", "license_seen": EVIL, "cell": 0},
        **{"admitted": True, "reasons": [], "keeper_record_id": None, "distance_bits": None},
    }
    copy = {**row, "record_id": "a:2", "admitted": False, "reasons": [EVIL], "keeper_record_id": "a:1", "cell": None}
    data = ReportData(rows=[row, copy], atlas="data:image/jpeg;base64,", funnel=[("offered", 2), ("released", 1)])
    return report.page(release, data, model, "fingerprint")


class _Release:
    """A release as far as the report asks."""

    name, version = EVIL, "0123456789abcdef"
    manifest = an_account(name=EVIL).manifest


def a_model():
    credit = dict.fromkeys(("page", "creator_url", "license_url")) | dict.fromkeys(
        ("title", "creator", "license"), EVIL
    )
    prompt = {"prompt": EVIL, "pictures": ["data:image/png;base64,"], "nearest": "data:image/png;base64,"}
    return {
        **{"digest": "0" * 64, "images_seen": 64, "per_prompt": 1, "seed": 0, "sampler": "ddim", "steps": 2},
        **{"guidance": 3.0, "num_copies": 0, "num_samples": 1, "minutes": "0.1", "images_per_s": "9"},
        "prompts": [{**prompt, "credit": credit, "mirrored": True, "score": 1.2}],
        "reports": [{"claim": EVIL, "value": 0.1, "interval": (0.05, 0.2), "n": 60}],
        "curve": line_chart([(32, 0.9), (64, 0.4)], title="loss", unit="images seen", log=True),
    }


def _captions():
    written = ByCaptioner()
    written.add(EVIL, EVIL, EVIL, [EVIL])
    facts = dict.fromkeys(("title", "creator", "creator_url", "landing_url", "url"), EVIL) | {"license": "CC0-1.0"}
    shown = ShownCaption(captioner=EVIL, text=EVIL, flags=("url",))
    picture = Captioned(facts=facts, picture="data:image/jpeg;base64,", captions=(shown,))
    return captions_page(_Release(), Captions(num_pictures=2, by_captioner={EVIL: written}, shown=(picture,))).decode()


def _evaluation(tmp_path_factory):
    pixels = np.zeros((1, 3, 8, 8), np.uint8)
    evaluation = Evaluation(
        checkpoint=a_checkpoint(tmp_path_factory.mktemp("run")),
        release=_Release(),
        choices=Choices(),
        loss=None,
        compared=None,
        agreed=Refused(name="agreement", reason=EVIL),
        following=None,
        prompts=(EVIL,),
        drawn=pixels,
        real=pixels,
        held_out=Pictures(pixels_nchw=pixels, facts=({},), captions=(EVIL,)),
    )
    return evaluation_page(evaluation, as_plain_data(evaluation, EVIL))


def a_run(name=EVIL):
    about = an_about(config={"prompts": [name]}, release_name=name)
    logged = {"entries": (an_entry(32), an_entry(64)), "validations": (a_validation(32), a_validation(64))}
    return Run(name=name, about=about, checkpoint=None, grids={}, **logged)


PAGES: dict[str, list[Callable[..., str]]] = {
    "report.html.j2": [lambda: _report(), lambda: _report(a_model())],
    "runs.html.j2": [
        lambda: runs_page([a_run()]),
        lambda: runs_page([a_run(), a_run("other")], reload_s=10),
    ],
    "duplicates.html.j2": [lambda: duplicates_text(a_cluster(a_copy(2, title=EVIL), keeper=a_picture()))],
    "credits.html.j2": [lambda: credits_html(an_account(a_credit(0, title=EVIL, creator=EVIL))).decode()],
    "memorization-risk.html.j2": [lambda: memorization_html(an_account(name=EVIL)).decode()],
    "captions.html.j2": [_captions],
    "evaluation.html.j2": [_evaluation],
    "takedown.html.j2": [lambda: review_page([replace(a_case(), asked=EVIL)], EVIL).decode()],
}
"""Template -> what makes a page of it."""
MADE = [pytest.param(make, id=f"{name} {number}") for name, makes in PAGES.items() for number, make in enumerate(makes)]


def test_every_template_of_a_page_is_here_and_extends_the_base():
    assert {path.name for path in TEMPLATES} == {*PAGES, *PARTS}
    for path in TEMPLATES:
        if path.name in PAGES:
            text = path.read_text()
            assert text.startswith(f'{{% extends "{BASE}" %}}\n'), path
            assert not re.search(r"<!doctype|<html|<head|<meta (?!name=\"byline-)|<style|<script>", text), path
            assert not re.search(r"#[0-9a-f]{3,8}\b|rgb|prefers-color", text.split("{% block header %}")[0]), path


@pytest.fixture
def made(make, tmp_path_factory):
    """Give the text of the page."""
    return make(tmp_path_factory) if make is _evaluation else make()


@pytest.mark.parametrize("make", MADE)
def test_a_page_may_run_only_its_own_script_and_style(made):
    page = BeautifulSoup(made, "html.parser")
    (policy,) = [tag["content"] for tag in page.select("meta[http-equiv=Content-Security-Policy]")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    scripts = [tag.string for tag in page.select("script:not([type])")]
    assert rules.pop("img-src", "data:") == "data:"
    assert rules.pop("script-src", None) == (f"'{csp_hash(scripts[0])}'" if scripts else None)
    (style,) = page.select("style")
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{csp_hash(style.string)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert len(scripts) <= 1
    assert not [name for tag in page.find_all(True) for name in tag.attrs if name.startswith("on")]


@pytest.mark.parametrize("make", MADE)
def test_a_page_needs_nothing_from_elsewhere(made):
    page = BeautifulSoup(made, "html.parser")
    assert not page.select(LOADING)
    (style,) = page.select("style")
    assert not re.findall(r"@import|url\((?![\"']?data:)", style.string)
    scripts = " ".join(script.string for script in page.select("script:not([type])"))
    assert not re.search(r"fetch\(|import\b|http", scripts)
    assert page.html["lang"] == "en"
    assert page.select_one("meta[name=referrer]")["content"] == "no-referrer"
    assert page.select_one("meta[name=viewport]")["content"] == "width=device-width, initial-scale=1"


@pytest.mark.parametrize("make", MADE)
def test_a_page_has_light_and_dark_colors_a_focus_and_a_print(made):
    style = BeautifulSoup(made, "html.parser").style.string
    light, dark = (set(re.findall(r"--[a-z]+(?=:)", block)) for block in re.findall(r":root \{(.*?)\}", style, re.S))
    assert light == dark
    assert set(re.findall(r"var\((--[a-z]+)\)", style)) <= light
    assert style.count("screen and (prefers-color-scheme: dark)") == style.count("@media print") == 1
    assert "\n:focus-visible {" in style


def test_what_a_page_was_not_given_is_an_error():
    template = html_templates("byline.reports").get_template("report.html.j2")
    with pytest.raises(UndefinedError, match="'cell_px' is undefined"):
        template.render(fingerprint="", name="", places=[])


def test_a_copy_without_a_thumbnail_shows_none_and_not_that_of_another():
    page = BeautifulSoup(_report(), "html.parser")
    assert [one["class"] for one in page.select(".member .sprite")] == [["sprite", "c0"], ["sprite", "nothing"]]
    assert ".c0{background-position:-0px -0px}" in page.style.string
