"""Which pictures may not be shown because they were taken down since a release was made."""

from collections.abc import Callable, Mapping
from typing import Any

from byline.catalog.corpora.records import Evidence, ImageRecord
from byline.catalog.denylists.denylist import Look
from byline.catalog.denylists.lists import load_denylist
from byline.catalog.disk.storage import Store
from byline.pipelines.facts.likeness import views_in
from byline.pipelines.rights.takedown.apply import denylists_of

Denied = Callable[[Mapping[str, Any]], bool]
_NO_EVIDENCE = Evidence(file="", place="", sha256="")


def denied_of(store: Store, name: str, *, flat_from: float) -> Denied:
    """Return what tells whether a picture of release `name` was taken down: by record, URL, creator, bytes or looks.

    Takedowns of the corpus count, and those of the corpora that its last build of the release was held to. Raises
    `CorpusError` when one of these lists is missing or damaged: then nothing may be shown.
    """
    denylist = load_denylist(store, denylists_of(store, name))

    def is_denied(row: Mapping[str, Any]) -> bool:
        if denylist.is_empty:
            return False
        source, _, own_id = row["record_id"].partition(":")
        urls = {name: row[name] for name in ("url", "landing_url", "creator", "creator_url")}
        record = ImageRecord(source=source, id=own_id, evidence=_NO_EVIDENCE, **urls)
        if denylist.denies_record(record) or (row["sha256"] and denylist.denies_bytes(row["sha256"])):
            return True
        if row["pixels"] is None or row["phash256"] is None:
            return False
        is_flat = row["flatness"] is None or row["flatness"] >= flat_from
        looks = {name: row[name] for name in ("pixels", "phash256")}
        views = () if is_flat else views_in(row["turned"], row["trimmed"])
        return denylist.denies_picture(Look(**looks, is_flat=is_flat, views=views))

    return is_denied
