"""A corpus that takedowns are tried on, made by a real build, and what to do with it."""

from pathlib import Path

from PIL import Image

from byline.catalog.corpora.corpus import owned, read_settings
from byline.catalog.corpora.manifest import Release, shard_table_path
from byline.catalog.disk.storage import Store
from byline.pipelines.rights.takedown.apply import begin, complete
from byline.pipelines.rights.takedown.selecting import Request, select
from tests.builders import a_picture, a_yfcc_line, encoded, write_corpus

HOST = "https://pictures.example"
PHOTO = Path("samples/photographs/lomiri-dragonfly-by-bolly.jpg")


def smaller(kind, **options):
    with Image.open(PHOTO) as photo:
        return encoded(photo.resize((150, 112)), kind, **options)


def write_pictures(folder, *, lines=()):
    """Write a corpus of six pictures; 6 is picture 1 again, smaller; 7 has the bytes of picture 2."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    pictures = {str(i): encoded(a_picture(i)) for i in range(6)}
    pictures |= {"1": PHOTO.read_bytes(), "6": smaller("JPEG", quality=60), "7": pictures["2"]}
    for name, data in pictures.items():
        (folder / "pictures" / f"{name}.jpg").write_bytes(data)
    said = {"3": {"unickname": "Grace"}, "4": {"unickname": "Grace"}, "5": {"title": "blobs+number+0"}}
    rows = [a_yfcc_line(name, f"{HOST}/{name}.jpg", **said.get(name, {})) for name in pictures]
    return write_corpus(folder, [*rows, *lines], num_packs=4)


def write_lone_release(folder):
    """Write the config of another release of the same corpus, `alone`, of one picture that no other looks like."""
    (folder / "pictures/9.jpg").write_bytes(encoded(a_picture(9)))
    (folder / "alone.tsv").write_text(a_yfcc_line("9", f"{HOST}/9.jpg") + "\n")
    said = (folder / "corpus.toml").read_text().replace('name = "small"', 'name = "alone"')
    said = said.replace('name = "test"', 'name = "lone"').replace("metadata.tsv", "alone.tsv")
    (folder / "alone.toml").write_text(said)
    return str(folder / "alone.toml")


def a_request(**options):
    return Request(**{"radius_bits": 12, **options})


def begun(store, request):
    """Begin a takedown that no checkpoint has seen anything of."""
    begin(store, request, select(store, request, read_settings(store)["pixels"]), lambda manifest, places: [])


def take_down(store, **options):
    with owned(store):
        begun(store, a_request(**options))
        return complete(store)


def latest(store):
    return Release(store.url("releases/small"))


def shipped(release):
    tables = [release.store.read_table(shard_table_path(shard.name)) for shard in release.manifest.shards]
    return {row["record_id"] for table in tables for row in table.to_pylist()}


def selected(store, **options):
    selection = select(store, a_request(**options), read_settings(store)["pixels"])
    return {victim.record_id.removeprefix("test:"): victim.reason for victim in selection.victims}


def stop_after(patch, step):
    """Raise at the `step`-th change of a file, before or after it is made."""
    left = [step]

    def stopping(change):
        def wrapped(*arguments, **options):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            result = change(*arguments, **options)
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
            return result

        return wrapped

    for name in ("write_bytes", "remove", "write_new"):
        patch.setattr(Store, name, stopping(getattr(Store, name)))
