"""Licenses of tools, and what a policy thinks of them."""

import pytest

from byline.catalog.licenses.reading import UNKNOWN
from byline.pipelines.releases.papers.tools import ALLOWED, opinion, tools_of

COMMERCIAL = ("CC0", "CC-BY")
ANY_USE = ("CC0", "CC-BY-NC")


def _weights(folder, card=None, name="weights"):
    place = folder / name
    place.mkdir()
    if card is not None:
        (place / "README.md").write_text(card)
    (tool,) = tools_of([("captioner", str(place))], families=COMMERCIAL, libraries=())
    return tool


@pytest.mark.parametrize(
    ("card", "license", "seen"),
    [
        ("---\nlicense: mit\n---\n", "MIT", 'model card: "mit"'),
        ("---\nlicense: other\nlicense_name: cc-by-nc-4.0\n---\n", "CC-BY-NC-4.0", 'model card: "cc-by-nc-4.0"'),
        ("---\nlicense: [mit, apache-2.0]\n---\n", UNKNOWN, 'model card: ["mit", "apache-2.0"]'),
        ("---\nlicense: openrail++\n---\n", UNKNOWN, 'model card: "openrail++"'),
        ("# No front matter\nlicense: mit\n", UNKNOWN, "a model card that states no license"),
        ("---\nlicense: [mit\n---\n", UNKNOWN, "a model card whose front matter cannot be read"),
        (None, UNKNOWN, "no model card in the folder"),
    ],
)
def test_weights_come_under_what_their_own_card_states(tmp_path, card, license, seen):
    tool = _weights(tmp_path, card)
    assert (tool.license, tool.license_seen, tool.name) == (license, seen, "weights")
    assert (tool.verdict == ALLOWED) == (license == "MIT")


def test_a_card_that_does_not_say_all_is_not_believed(tmp_path):
    tool = _weights(tmp_path, "---\nlicense: mit\n---\n", name="blip2-opt-2.7b")
    assert tool.license == UNKNOWN
    assert "OPT" in tool.verdict
    assert 'model card: "mit"' in tool.license_seen
    assert tool.url.startswith("https://")


def test_the_captioner_without_weights_is_bylines_own():
    (tool,) = tools_of([("captioner", "source-text")], families=COMMERCIAL, libraries=())
    assert (tool.role, tool.license, tool.verdict) == ("captioner", "Apache-2.0", ALLOWED)


def test_libraries_come_under_what_their_metadata_states():
    tools = {tool.name: tool for tool in tools_of([], families=COMMERCIAL)}
    assert tools["simplejpeg"].license == "MIT"
    assert tools["imagehash"].license == "BSD-2-Clause"
    assert tools["apache-beam"].license == "Apache-2.0"
    assert {tool.verdict for tool in tools.values()} == {ALLOWED}
    assert tools_of([], families=COMMERCIAL, libraries=["no-such-distribution"]) == ()


@pytest.mark.parametrize(
    ("license", "families", "minded"),
    [
        ("MIT", COMMERCIAL, ""),
        ("BSD-3-Clause AND MIT", COMMERCIAL, ""),
        ("CC-BY-NC-4.0", COMMERCIAL, "forbids commercial use"),
        ("MIT AND CC-BY-NC-4.0", COMMERCIAL, "forbids commercial use"),
        ("CC-BY-NC-4.0", ANY_USE, ""),
        (UNKNOWN, COMMERCIAL, "license not known, and the policy is for commercial use"),
        (UNKNOWN, ANY_USE, "license not known"),
        ("AGPL-3.0-only", COMMERCIAL, "must offer its source"),
    ],
)
def test_opinions(license, families, minded):
    said = opinion(license, families)
    assert minded in said if minded else said == ALLOWED
