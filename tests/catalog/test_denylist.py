"""What a denylist recognises."""

import pytest

from catalog.denylist import Entry, add_entries, load_denylist
from catalog.storage import Store
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
