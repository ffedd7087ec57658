"""C2PA manifests: what their assertions say of training and of origin. Read by c2pa-python where it is installed."""

import io
import json
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from byline.catalog.consent import BELIEVED, USES, Signal
from byline.catalog.digests import canonical_json
from byline.pictures.pixels.kinds import known_kind
from byline.pictures.stated.stores import STORE, check_store, store_of

MAX_MANIFESTS = 50
MAX_TEXT_CHARACTERS = 200
TRAINING_MINING = frozenset({"c2pa.training-mining", "cawg.training-mining"})
INGREDIENT = "Ingredient"
"""What stands in place of a validation state for manifests of what the picture was made from."""
C2PA_SETTINGS = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"decode_identity_assertions": False, "allowed_network_hosts": []},
}
"""Nothing is asked of the network: not for manifests, revocations or the documents of identities."""
_NO = re.compile(
    rb"(?:c2pa|cawg)\.(data_mining|ai_inference|ai_training|ai_generative_training)"
    rb"[^.]{0,400}?use.{0,4}?(notAllowed|constrained)",
    re.DOTALL,
)
_SYNTHETIC = re.compile(rb"digitalsourcetype/([A-Za-z]{1,60})")


def manifest_signals(data: bytes, *, is_elsewhere: bool = False) -> Iterator[Signal]:
    """Yield what the manifests in a picture say; `[c2pa, unread]` where there are some that cannot be read here.

    `is_elsewhere` says that XMP names a manifest outside the picture: `[c2pa, remote]`, if none is in it.
    """
    if STORE not in data:
        if is_elsewhere:
            yield "c2pa", "remote"
        return
    try:
        manifest_store = store_of(data)
        store = _read_store(data, manifest_store)
        signals = list(_signals_of_store(store))
        if data.count(STORE) > manifest_store.count(STORE):  # another one, behind the picture or beside this one
            signals += [("c2pa", "unread"), *_looked_through(data)]
        elif store.get("validation_state") not in BELIEVED:  # perhaps not all of it was read
            signals += _looked_through(data)
    except Exception:  # not installed, or whatever the library raises of bytes that it cannot read
        signals = [("c2pa", "unread"), *_looked_through(data)]
    yield from signals


def _read_store(data: bytes, manifest_store: bytes) -> dict[str, Any]:
    import c2pa

    check_store(manifest_store)
    with c2pa.Reader(str(known_kind(data)), io.BytesIO(data), manifest_store, context=_context(os.getpid())) as reader:
        store: dict[str, Any] = json.loads(reader.json())
    if store["active_manifest"] not in store["manifests"]:
        raise ValueError("the picture's own manifest could not be loaded")
    return store


@lru_cache(maxsize=1)
def _context(process: int) -> Any:
    """Return the library with our settings, made once in each process."""
    import c2pa

    return c2pa.Context(c2pa.Settings.from_dict(C2PA_SETTINGS))


def _signals_of_store(store: dict[str, Any]) -> Iterator[Signal]:
    manifests = store["manifests"]
    own = store.get("active_manifest")
    ordered = sorted(manifests, key=lambda name: (name != own, name))
    if len(ordered) > MAX_MANIFESTS:
        yield "c2pa", "unread"
    for name in ordered[:MAX_MANIFESTS]:
        state = str(store.get("validation_state", "Invalid")) if name == own else INGREDIENT
        for assertion in manifests[name].get("assertions") or ():
            for statement in _statements(assertion):
                yield "c2pa", canonical_json({**statement, "state": state}).decode()


def _statements(assertion: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what an assertion says of training or of origin, each entry by itself; nothing for any other."""
    label, data = str(assertion.get("label", ""))[:MAX_TEXT_CHARACTERS], assertion.get("data")
    if label.partition("__")[0] in TRAINING_MINING and isinstance(data, dict):
        yield from ({"label": label, "entries": entry} for entry in _entries(data.get("entries")))
        return
    for kind in sorted(set(_under(data, "digitalSourceType"))):
        yield {"label": label, "digitalSourceType": kind}
    for term in sorted(set(_under(data, "DataMining"))):
        yield {"label": label, "DataMining": term}


def _entries(entries: object) -> Iterator[dict[str, dict[str, str]]]:
    """Yield the entries that speak of one of the four uses, in their order by name; texts are cut."""
    for name, entry in sorted(entries.items() if isinstance(entries, dict) else ()):
        if name.rpartition(".")[2] in USES:
            statement = entry if isinstance(entry, dict) else {"use": entry}
            texts = {
                key: str(statement[key])[:MAX_TEXT_CHARACTERS] for key in ("constraint_info", "use") if key in statement
            }
            yield {name[:MAX_TEXT_CHARACTERS]: texts}


def _under(data: object, key: str) -> Iterator[str]:
    """Yield the texts under a key, with or without a prefix and in any case, however deep they lie."""
    waiting = [data]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            for name, value in part.items():
                if isinstance(value, str) and name.rpartition(":")[2].lower() == key.lower():
                    yield value[:MAX_TEXT_CHARACTERS]
                else:
                    waiting.append(value)


def _looked_through(data: bytes) -> Iterator[Signal]:
    """Yield the noes and origins that stand in a manifest store, damaged as it is or with nothing here to read it."""
    answers = sorted({(use.decode("ascii"), answer.decode("ascii")) for use, answer in _NO.findall(data)})
    if answers:
        yield "c2pa", canonical_json({"entries": {use: {"use": answer} for use, answer in answers}}).decode()
    if types := sorted({source_type.decode("ascii") for source_type in _SYNTHETIC.findall(data)}):
        yield "c2pa", canonical_json({"digitalSourceType": types}).decode()
