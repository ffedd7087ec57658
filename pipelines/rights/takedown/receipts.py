"""What receipts say of something that is asked for and no longer there."""

from byline.catalog.denylists.denylist import hosts_of, takedowns_denying
from byline.catalog.disk.storage import Store


def taken_down(store: Store, x: str) -> str | None:
    """Return the receipt of a takedown that denies a record id, a SHA-256, or a URL of a picture, a page or a host."""
    said = [("record", x), ("sha256", x.lower()), ("url", x), *(("domain", host) for host in hosts_of(x))]
    found = takedowns_denying(store, said)
    return store.url(f"receipts/{found[0]}.json") if found else None
