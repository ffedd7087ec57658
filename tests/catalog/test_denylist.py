"""What a denylist recognizes."""

import numpy as np
import pytest

from byline.catalog.denylists.denylist import Entry, Look, add_entries, load_denylist
from byline.catalog.disk.storage import Store
from tests.builders import a_record


@pytest.mark.parametrize(
    ("kind", "value", "said", "denied"),
    [
        ("url", "https://a.org/1.jpg", {"url": "http://A.org/1.jpg"}, True),
        ("url", "https://a.org/page/", {"landing_url": "http://a.org/page"}, True),
        ("url", "https://a.org/page", {"landing_url": "http://a.org/page?x"}, False),
        ("creator", " grace HOPPER", {"creator": "Grace Hopper"}, True),
        ("creator", "http://a.org/ada/", {"creator_url": "https://a.org/ada"}, True),
        ("creator", "Grace", {"creator": "Grace Hopper"}, False),
        ("domain", ".A.org", {"landing_url": "https://pictures.a.org/x"}, True),
        ("domain", "a.org", {"url": "https://ba.org/x"}, False),
    ],
)
def test_a_record_is_denied_by_what_is_the_same(tmp_path, kind, value, said, denied):
    store = Store(str(tmp_path))
    add_entries(store, [Entry(kind=kind, value=value)])
    assert load_denylist(store).denies_record(a_record(**said)) is denied


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
