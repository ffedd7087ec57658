"""A flipped bit, a cut, two files in each other's place: the build says so, or the release has the same bytes; and
`byline verify CORPUS --deep` names the file."""

import shutil
from collections import defaultdict

import pytest

from byline.catalog.corpora.manifest import Release
from byline.catalog.disk.storage import Store
from byline.catalog.errors import BylineError
from byline.pipelines.beam.build import build
from byline.pipelines.rights.verify_corpus import paths_of, verify_corpus
from tests.builders import a_corpus

pytestmark = pytest.mark.beam


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return the config of a corpus that was built, and its release."""
    config = a_corpus(tmp_path_factory.mktemp("damaged"), num_pictures=8, num_packs=2)
    with config.open("a") as file:
        file.write("[pixels]\nkeep_originals = true\n")
    return config, build(str(config), workers=1)


@pytest.fixture
def damageable(built, tmp_path):
    """Return the config and the store of a copy, which a test may damage, at a place of its own."""
    config, release = built
    shutil.copytree(config.parent, tmp_path / "copy")
    copy = tmp_path / "copy/corpus.toml"
    copy.write_text(copy.read_text().replace(str(config.parent), str(tmp_path / "copy")))
    return str(copy), Store(str(tmp_path / "copy/corpus")), release.manifest


def _problems(store):
    """Return what is wrong, and what cannot be checked any longer, in a corpus of which all can."""
    unsealed = []
    return [*verify_corpus(store, unsealed, deep=True), *unsealed]


def _kinds(store):
    """Return the paths of a corpus that are checked, by kind: where they lie, and how they end."""
    kinds = defaultdict(list)
    for path in paths_of(store):
        folder = "/".join(path.split("/")[: 2 if path.startswith(("facts", "judgements")) else 1])
        kinds[f"{folder} {path.rpartition('.')[2]} {'originals' in path} {path.count('.')}"].append(path)
    return kinds


def _flip(place, at):
    data = bytearray(place.read_bytes())
    data[int(at * len(data))] ^= 0x04
    place.write_bytes(bytes(data))


def _build_again(config, store, manifest):
    """Build without what can be made again, and tell how it ended. What is kept of facts is not believed."""
    for name in store.files("judgements/rows"):
        store.remove(f"judgements/rows/{name}")
    try:
        release = build(config, workers=1)
    except BylineError as error:
        return str(error)
    assert release.manifest == manifest, "another release, in silence"
    return ""


def test_a_whole_corpus_has_no_problems(damageable):
    _, store, _ = damageable
    assert _problems(store) == []


@pytest.mark.slow
@pytest.mark.parametrize("at", [0.0, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_of_any_file_is_named(damageable, at):
    _, store, _ = damageable
    for paths in _kinds(store).values():
        place = store.local_path(paths[0])
        whole = place.read_bytes()
        _flip(place, at)
        told = "\n".join(_problems(store))
        assert paths[0].rpartition("/")[2].removesuffix(".tar") in told, (paths[0], told)
        place.write_bytes(whole)


def test_two_files_in_each_others_place_are_named(damageable):
    _, store, _ = damageable
    swapped = 0
    for paths in _kinds(store).values():
        if len(paths) > 1:
            one, other = (store.local_path(path) for path in paths[:2])
            if (data := one.read_bytes()) == other.read_bytes():
                continue
            one.write_bytes(other.read_bytes()), other.write_bytes(data)
            told = "\n".join(_problems(store))
            assert any(path.rpartition("/")[2].removesuffix(".tar") in told for path in paths[:2]), paths
            other.write_bytes(one.read_bytes()), one.write_bytes(data)
            swapped += 1
    assert swapped > 8


FOLDERS = ["builds", "facts", "judgements", "packs", "records", "shards"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("at", [0.2, 0.7])
def test_a_build_over_a_flipped_bit_says_so_or_makes_the_same_release(damageable, folder, at):
    config, store, manifest = damageable
    for kind, paths in _kinds(store).items():
        if kind.startswith(folder) and not kind.startswith("shards tar"):
            place = store.local_path(paths[0])
            whole = place.read_bytes()
            _flip(place, at)
            told = _build_again(config, store, manifest)
            assert not told or (paths[0] in told and "; " in told), told
            place.write_bytes(whole)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_build_over_swapped_files_says_so_or_makes_the_same_release(damageable, folder):
    config, store, manifest = damageable
    for kind, paths in _kinds(store).items():
        if kind.startswith(folder) and len(paths) > 1 and not kind.startswith("shards tar"):
            one, other = (store.local_path(path) for path in paths[:2])
            data = one.read_bytes()
            one.write_bytes(other.read_bytes()), other.write_bytes(data)
            _build_again(config, store, manifest)
            other.write_bytes(one.read_bytes()), one.write_bytes(data)


def test_what_a_message_says_mends_the_corpus(damageable):
    """Facts: delete the segment, build again."""
    config, store, manifest = damageable
    (instrument,) = store.folders("facts/quality")
    path = f"facts/quality/{instrument}/test-00000.000.parquet"
    _flip(store.local_path(path), 0.2)
    told = _build_again(config, store, manifest)
    assert path in told
    assert "delete it and the later segments of its pack, then: byline build CONFIG" in told
    store.remove(path)
    assert _build_again(config, store, manifest) == ""
    assert _problems(store) == []


def test_files_of_a_file_manager_are_nobodys(damageable):
    config, store, manifest = damageable
    folders = [path for path in store.local_path("").rglob("*") if path.is_dir()]
    for folder in [store.local_path(""), store.local_path(".partial"), *folders]:
        (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert _build_again(config, store, manifest) == ""
    assert _problems(store) == []
    (version,) = store.local_path("releases").glob("*/*/")
    for name in ("tmp", "__MACOSX", "old copy", "@eaDir"):
        (version.parent / name).mkdir()
        (version.parent / name / "a.txt").write_bytes(b"mine")
    assert _problems(store) == []
    store.write_bytes("builds/notes.json", b"mine")
    assert _build_again(config, store, manifest) == ""


@pytest.mark.parametrize("data", [b"", b"\xff\xfe", b"../../elsewhere\n", b"0123\n"])
def test_a_damaged_latest_is_told_and_a_build_mends_it(damageable, data):
    config, store, manifest = damageable
    store.write_bytes("releases/small/LATEST", data)
    with pytest.raises(BylineError, match="LATEST is damaged"):
        Release(store.url("releases/small"))
    assert any("LATEST is damaged" in problem for problem in _problems(store))
    assert _build_again(config, store, manifest) == ""
    assert Release(store.url("releases/small")).manifest == manifest


def test_a_damaged_manifest_is_mended_by_the_next_build(damageable):
    config, store, manifest = damageable
    store.write_bytes(f"releases/small/{manifest.digest[:16]}/manifest.json", b"{}")
    assert any("manifest.json is damaged" in problem for problem in _problems(store))
    assert _build_again(config, store, manifest) == ""
    assert _problems(store) == []
