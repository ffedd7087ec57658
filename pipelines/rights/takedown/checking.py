"""Search a corpus for what its takedowns removed."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow.compute as pc

from byline.catalog.denylists.lists import load_denylist, named_takedowns, read_key
from byline.catalog.disk import layout
from byline.catalog.disk.storage import Store
from byline.catalog.errors import CorpusError
from byline.pipelines.rights.takedown.apply import check_none_pending
from byline.pipelines.rights.takedown.receipts import PRINTS, check_receipt
from byline.pipelines.rights.takedown.scan import Hit, scan
from byline.pipelines.rights.takedown.windows import Words, fingerprints


def check_corpus(
    store: Store, receipts: Sequence[str], pictures: Mapping[str, bytes], progress: Callable[[str, int], None]
) -> Iterator[Hit]:
    """Yield every place that holds bytes of what the takedowns with these ids (none: all) removed, or of `pictures`.

    Raises `CorpusError` when there is nothing to search for, a takedown is not completed, or the denylist or a receipt
    is missing or damaged: finding nothing would then prove nothing. Writes nothing.
    """
    check_none_pending(store)  # what is left of it would be found
    load_denylist(store)  # a key or a list that is gone would make this find nothing
    chosen = receipts or _all(store)
    key = read_key(store) if chosen else secrets.token_bytes(32)
    prints = [_prints(store, receipt, key) for receipt in chosen]
    prints += [fingerprints(data, key) for data in pictures.values()]
    wanted = np.unique(np.concatenate([np.zeros(0, np.uint64), *prints]))
    if not len(wanted):
        raise CorpusError(f"no takedown of a picture has a receipt in {store.root}; there is nothing to search for")
    kept, keys = _kept(store)
    return scan(store, wanted, key, is_kept=kept.__contains__, is_kept_key=keys.__contains__, progress=progress)


def _all(store: Store) -> list[str]:
    """Return the ids of all takedowns: of those with a receipt, and of those that should have one."""
    there = {name.removesuffix(PRINTS) for name in store.files(layout.RECEIPTS, suffix=PRINTS)}
    return sorted(there | set(named_takedowns(store)))


def _prints(store: Store, receipt: str, key: bytes) -> Words:
    path = layout.receipt_file(f"{receipt}{PRINTS}")
    if not store.exists(path):
        there = ", ".join(_all(store)) or "none"
        if receipt in named_takedowns(store):
            raise CorpusError(f"{store.url(path)} is missing: it says what was removed; restore it")
        raise CorpusError(f"no receipt {receipt} in {store.root}; there are: {there}")
    check_receipt(store, receipt, key)
    return np.asarray(store.read_table(path)["fingerprint"].to_numpy(), np.uint64)


def _kept(store: Store) -> tuple[set[str], set[str]]:
    """Return the digests of all pictures that are kept, as stored and as fetched, and their keys."""
    stored: set[str] = set()
    keys: set[str] = set()
    for name in store.files(layout.PACKS, suffix=".parquet"):
        table = store.read_table(layout.pack_file(name), ["stored_sha256", "sha256", "originals", "key"])
        stored |= set(pc.drop_null(table["stored_sha256"]).to_pylist())
        stored |= set(table["sha256"].filter(table["originals"].is_valid()).to_pylist())
        keys |= {key for key in table["key"].to_pylist() if key}
    return stored, keys
