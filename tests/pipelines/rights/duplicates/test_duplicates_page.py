"""The page of duplicates: what it shows, what it filters by, and that nothing a source said can run."""

import base64
import hashlib
import re

import pytest
from bs4 import BeautifulSoup

from byline.catalog.policies.policy import DuplicateRules, LicenseRules, Policy, ReleaseRules
from byline.pipelines.rights.duplicates.collecting import Cluster, Duplicates
from byline.pipelines.rights.duplicates.ledger import Chosen, Ledger
from byline.pipelines.rights.duplicates.page import page
from tests.builders import a_picture as an_image
from tests.builders import encoded
from tests.pipelines.rights.duplicates.clusters import a_picture

EVIL = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{ 7*7 }} \u202e\u2066 \x1b[31m\n</style><svg onload=x>"
)
POLICY = Policy(
    license=LicenseRules(families=("CC0", "CC-BY", "CC-BY-SA")),
    duplicates=DuplicateRules(radius_bits=12),
    release=ReleaseRules(obligations=("attribution", "share-alike")),
)
JPEG = encoded(an_image(1))


class _Named:
    """A release as far as the page asks: its name and version."""

    name, version = "small", "0123456789abcdef"


def a_copy(number, **overrides):
    fields = {"record_id": f"test:{number}", "sha256": f"{number:064x}", "reasons": ("duplicate:near",)}
    return a_picture(**{**fields, "pixels": f"{number:064x}", "sharpness": 9.0, "distance_bits": 4, **overrides})


def a_cluster(*copies, keeper=None, num_copies=None):
    return Cluster(keeper=keeper, copies=copies, num_copies=num_copies or len(copies))


def a_found(*clusters, num_clusters=None, thumbnails=None, **overrides):
    chosen = tuple(Chosen(keeper_record_id="", keeper_sha256="", num_copies=1, copies=()) for _ in clusters)
    ledger = Ledger(
        num_clusters=num_clusters or len(clusters), num_copies=7, num_same_bytes=2, num_conflicts=1, chosen=chosen
    )
    fields = {"clusters": clusters, "num_taken_down": 0, "num_lost": 0, "thumbnails": thumbnails or {}}
    return Duplicates(ledger=ledger, policy=POLICY, **{**fields, **overrides})


def _text(*clusters, **options):
    return page(_Named(), a_found(*clusters, **options)).decode()


def _page(*clusters, **options):
    return BeautifulSoup(_text(*clusters, **options), "html.parser")


def _words(element):
    return " ".join(element.get_text(" ").split())


def test_a_cluster_shows_its_keeper_first_and_why_it_was_kept():
    shown = _page(a_cluster(a_copy(2), keeper=a_picture()))
    keeper, copy = shown.select(".keeper, .copy")
    for part in ("keeper", "Blobs", "Ada L.", "CC BY 4.0", "1024x768", "test:1"):
        assert part in _words(keeper)
    for part in ("near", "4 bits", "duplicate:near", "sharper: 812 against 9", "test:2"):
        assert part in _words(copy)
    assert [link["href"] for link in copy.select("a")] == [
        "https://pictures.example/1",
        "https://pictures.example/ada",
        "https://creativecommons.org/licenses/by/4.0/",
    ]


def test_a_license_conflict_is_marked():
    held = ("quarantine:license-conflict",)
    copy = a_copy(2, license="CC0-1.0", reasons=("duplicate:near", *held))
    (cluster,) = _page(a_cluster(copy, keeper=a_picture(reasons=held))).select(".cluster")
    assert "license conflict CC BY 4.0, CC0 1.0 ask for different things" in _words(cluster.select_one("summary"))
    assert "refused itself: quarantine:license-conflict" in _words(cluster.select_one(".keeper"))


def test_copies_stay_when_their_keeper_is_gone():
    (cluster,) = _page(a_cluster(a_copy(2))).select(".cluster")
    assert "keeper gone" in _words(cluster.select_one(".keeper"))
    assert len(cluster.select(".copy")) == 1


def test_each_distinct_thumbnail_is_there_once():
    clusters = a_cluster(a_copy(2), a_copy(3), keeper=a_picture())
    other = encoded(an_image(2))
    shown = _page(clusters, thumbnails={"a" * 64: JPEG, f"{2:064x}": JPEG, f"{3:064x}": other})
    sheet = "".join(style.get_text() for style in shown.select("style"))
    assert sheet.count(base64.b64encode(JPEG).decode()) == sheet.count(base64.b64encode(other).decode()) == 1
    keeper, near, far = (frame["class"] for frame in shown.select(".frame"))
    assert keeper == near != far


def test_a_picture_without_a_thumbnail_says_so():
    assert _words(_page(a_cluster(a_copy(2), keeper=a_picture())).select_one(".copy .frame")) == "no thumbnail"


def test_what_is_filtered_by_is_on_the_elements():
    copies = (a_copy(2), a_copy(3, license="CC0-1.0", source="other", distance_bits=9, reasons=("a", "b")))
    shown = _page(a_cluster(*copies, keeper=a_picture(), num_copies=30))
    (cluster,) = shown.select(".cluster")
    assert (cluster["data-size"], cluster["data-farthest"]) == ("30", "9")
    copy = shown.select(".copy")[1]
    values = [copy[f"data-{name}"] for name in ("bits", "kind", "reasons", "license", "source")]
    assert values == ["9", "near", "a|b", "CC0 1.0", "other"]
    options = {name: [option.get_text() for option in shown.select(f"#{name} option")] for name in ("reason", "source")}
    assert options == {"reason": ["any", "a", "b", "duplicate:near"], "source": ["any", "other", "test"]}
    assert shown.select_one("#most")["max"] == "9"


def test_a_copy_that_an_embedding_found_has_its_cosine_and_is_farther_than_any_other():
    alike = a_copy(3, distance_bits=None, cosine=0.912)
    shown = _page(a_cluster(a_copy(2, view="turned"), alike, keeper=a_picture()))
    assert [_words(one) for one in shown.select(".copy .tags strong")] == ["4 bits, turned", "cosine 0.91"]
    assert [copy["data-bits"] for copy in shown.select(".copy")] == ["4", ""]
    assert (shown.select_one(".cluster")["data-farthest"], shown.select_one("#most")["max"]) == ("256", "4")


def test_without_scripts_everything_is_shown_and_nothing_pretends_to_filter():
    shown = _page(a_cluster(a_copy(2), keeper=a_picture()))
    assert shown.select_one("#tools").has_attr("hidden")
    assert shown.select_one(".cluster").has_attr("open")
    assert not shown.select("main .cluster[hidden], .copy[hidden]")


def test_what_is_left_out_is_told_and_how_to_see_it():
    cluster = a_cluster(a_copy(2), keeper=a_picture(), num_copies=9)
    shown = _page(cluster, num_clusters=1234, num_taken_down=1, num_lost=2)
    left = [_words(line) for line in shown.select(".left")]
    assert left[0].startswith("1,233 of 1,234 clusters, those with the fewest copies, are left out: run byline")
    assert "--limit 1234" in left[0]
    assert left[1:] == [
        "1 picture was taken down since the release was made, and left out here.",
        "2 records are not in the corpus any more, and left out here.",
    ]
    assert "8 not shown here" in _words(shown.select_one("summary"))


def test_a_release_without_duplicates_says_so():
    shown = _page()
    assert "This release has no duplicates" in _words(shown.select_one("main"))
    assert not shown.select(".cluster, .left")


@pytest.fixture(scope="module")
def evil():
    said = {"record_id": EVIL, "source": EVIL, "title": EVIL, "creator": EVIL, "license": EVIL, "reasons": (EVIL,)}
    urls = {"url": "javascript:alert(1)", "landing_url": f"https://x.example/{EVIL}", "creator_url": f"data:{EVIL}"}
    keeper = a_picture(**said, **urls, retrieved_at=EVIL)
    return _text(a_cluster(a_copy(2, **said, **urls, view=EVIL), keeper=keeper), thumbnails={"a" * 64: JPEG})


def test_nothing_that_a_source_said_becomes_markup(evil):
    shown = BeautifulSoup(evil, "html.parser")
    assert not shown.select("img, svg, iframe, object, main script, main style")
    assert len(shown.select("script")) == 1
    assert not [name for tag in shown.find_all(True) for name in tag.attrs if name.startswith("on") or name == "style"]
    assert "49" not in _words(shown.select_one(".copy .title"))
    assert not set("\u202e\u2066\x1b") & set(evil)


def test_only_pages_on_the_web_are_linked(evil):
    links = {link["href"] for link in BeautifulSoup(evil, "html.parser").select("a")}
    assert links
    assert all(link.startswith("https://") for link in links)


def test_the_page_may_load_nothing_and_run_only_what_is_its_own(evil):
    rules = BeautifulSoup(evil, "html.parser").select_one("meta[http-equiv=Content-Security-Policy]")["content"]
    assert rules.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in rules
    for tag in ("style", "script"):
        for source in re.findall(f"<{tag}>(.*?)</{tag}>", evil, re.DOTALL):
            assert f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'" in rules


def test_long_texts_are_cut_and_long_urls_are_no_links():
    long = a_copy(2, title="x" * 5_000, landing_url="https://x.example/" + "y" * 5_000, url="https://x.example/z")
    (copy,) = _page(a_cluster(long, keeper=a_picture())).select(".copy")
    assert len(copy.select_one(".title").get_text()) == 203
    assert copy.select_one(".title a")["href"] == "https://x.example/z"
