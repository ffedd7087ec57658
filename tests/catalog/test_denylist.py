"""What a denylist recognizes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from byline.catalog.denylists.denylist import Entry, Look
from byline.catalog.denylists.lists import add_entries, load_denylist
from byline.catalog.disk.storage import Store
from tests.builders import a_record


@pytest.mark.parametrize(
    ("kind", "value", "said", "denied"),
    [
        ("url", "https://a.org/1.jpg", {"url": "http://A.org/1.jpg"}, True),
        ("url", "https://a.org/page/", {"landing_url": "http://a.org/page"}, True),
        ("url", "https://a.org/page", {"landing_url": "http://a.org/page?x"}, False),
        ("url", "https://a.org/caf\u00e9 (x).jpg#top", {"url": "http://A.org:80/x/../caf%c3%a9%20%28x%29.jpg"}, True),
        ("url", "https://a.org/a%2Fb", {"url": "https://a.org/a/b"}, False),
        ("url", "https://me:pw@a.org/x", {"landing_url": "https://a.org/x"}, True),
        ("creator", " grace HOPPER", {"creator": "Grace Hopper"}, True),
        ("creator", "http://a.org/ada/", {"creator_url": "https://a.org/ada"}, True),
        ("creator", "Grace", {"creator": "Grace Hopper"}, False),
        ("domain", ".A.org", {"landing_url": "https://pictures.a.org/x"}, True),
        ("domain", "a.org", {"url": "https://ba.org/x"}, False),
        ("domain", "a.org", {"url": "https://\uff41.org:443/x"}, True),
        ("domain", "\uff21.org", {"url": "https://a.org./x"}, True),
        ("domain", "b\u00fccher.example", {"url": "https://xn--bcher-kva.example/x"}, True),
        ("domain", "xn--bcher-kva.example", {"url": "https://img.B\u00dcCHER.example/x"}, True),
        ("domain", "a.org", {"url": "https://%61.org/x"}, True),
        ("domain", "a.org", {"landing_url": "https://me@a.org:x/y"}, True),
        ("domain", "a.org", {"landing_url": "//a.org/y"}, True),
        ("domain", "a.org", {"landing_url": r"http://a.org\y"}, True),
        ("domain", "127.0.0.1", {"url": "http://0x7f.1/y"}, True),
        ("domain", "1", {"url": "http://127.0.0.1/y"}, False),
        ("creator", "Ｇrace  Hop\u200bper", {"creator": "Grace Hopper"}, True),
        ("creator", "https://A.org:443/%61da", {"creator_url": "http://a.org/ada#me"}, True),
    ],
)
def test_a_record_is_denied_by_what_is_the_same(tmp_path, kind, value, said, denied):
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind=kind, value=value)])
    assert load_denylist(store).denies_record(a_record(**said)) is denied


DENIED_URL = "https://b\u00fccher.example/a/caf\u00e9 (x)~.jpg?u=/y&v"
ESCAPABLE = {character: f"%{ord(character):02{case}}" for character in "ac.jpg~x()" for case in "xX"}
HOSTS = ("B\u00dcCHER.example", "xn--bcher-kva.EXAMPLE.", "b\u00fccher\u3002ex%61mple", "\uff42%C3%BCcher.example")


@pytest.fixture(scope="module")
def list_of_one_url(tmp_path_factory):
    store = Store(str(tmp_path_factory.mktemp("one")))
    add_entries(store, [Entry(kind="url", value=DENIED_URL)])
    return load_denylist(store)


@st.composite
def spellings(draw):
    """Return a URL of the same resource, written otherwise."""
    path = "".join(ESCAPABLE[c] if c in ESCAPABLE and draw(st.booleans()) else c for c in "caf\u00e9 (x)~.jpg")
    dots = draw(st.sampled_from(["/", "/./", "/b/../", "/%2E/", "/b/%2e./", "/b/c/../%2e%2E/", "\\"]))
    origin = draw(st.sampled_from(["http://{}", "HTTPS://{}:443", "https://me:pw@{}", " http://{}:80"]))
    query = draw(st.sampled_from(["?u=/y&v", "?u=%2fy&v", "?%75=%2Fy&%76"]))
    end = draw(st.sampled_from(["", "#x", "\n"]))
    return f"{origin.format(draw(st.sampled_from(HOSTS)))}/a{dots}{path}{query}{end}"


@given(url=spellings())
def test_no_spelling_of_a_denied_url_is_let_in(list_of_one_url, url):
    assert list_of_one_url.denies_url(url)
    assert not list_of_one_url.denies_url(url.replace("/a", "/A", 1))


@pytest.mark.parametrize(
    ("kind", "held", "said"),
    [
        ("url", "a.org:443/x/../%28", {"url": "https://A.org:443/x/../%28"}),
        ("url", "a.org/x#y", {"landing_url": "http://a.org/x#y"}),
        ("domain", "b\u00fccher.example", {"url": "https://b\u00fccher.example/x"}),
        ("creator", "\uff47race", {"creator": "\uff27RACE"}),
    ],
)
def test_what_a_list_of_before_denies_is_still_denied(tmp_path, kind, held, said, monkeypatch):
    monkeypatch.setattr("byline.catalog.denylists.values.canonical", lambda kind, value: value)
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind=kind, value=held)])  # the very text that was keyed then
    monkeypatch.undo()
    assert load_denylist(store).denies_record(a_record(**said))


CODE, FAR = bytes(32), bytes(range(32))
NEAR = b"\x07" + bytes(31)


@pytest.mark.parametrize(
    ("kind", "look", "denied"),
    [
        ("phash256", {"phash256": NEAR}, True),
        ("phash256", {"phash256": b"\x0f" + bytes(31)}, False),
        ("phash256", {"phash256": FAR, "views": ((2, FAR), (1, NEAR))}, True),
        ("phash256", {"phash256": NEAR, "is_flat": True}, False),
        ("phash256-upright", {"phash256": NEAR}, True),
        ("phash256-upright", {"phash256": FAR, "views": ((1, CODE),)}, False),
    ],
)
def test_a_picture_is_denied_by_any_of_its_looks_where_the_entry_says_so(tmp_path, kind, look, denied):
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind=kind, value=CODE.hex(), radius_bits=3)])
    shown = {"pixels": "a" * 64, "is_flat": False, **look}
    assert load_denylist(store).denies_picture(Look(**shown)) is denied


def test_each_entry_has_its_own_radius(tmp_path):
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind="phash256", value=CODE.hex(), radius_bits=3)])
    add_entries(store, [Entry(kind="phash256", value=FAR.hex(), radius_bits=0)])
    codes = np.frombuffer(NEAR + CODE + FAR + bytes(range(31)) + b"\0", np.uint8).reshape(-1, 32)
    assert load_denylist(store).near(codes).tolist() == [True, True, True, False]
