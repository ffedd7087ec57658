"""What receipts say of something that is asked for and no longer there."""

import json

from catalog.storage import Store


def taken_down(store: Store, x: str) -> str | None:
    """Return the receipt of the takedown that removed a record id or a SHA-256, or that was asked for a URL."""
    for name in store.files("receipts", suffix=".json"):
        receipt = json.loads(store.read_bytes(f"receipts/{name}"))
        removed = {row.get(key) for row in receipt["removed"] for key in ("record_id", "sha256", "stored_sha256")}
        if x in removed or x in receipt["asked"]["urls"]:
            return store.url(f"receipts/{name}")
    return None
