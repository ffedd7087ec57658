"""What differs between two releases that were really built."""

import json
import shutil

import pytest
from typer import Typer
from typer.testing import CliRunner

from byline.catalog.corpora.manifest import Release
from byline.catalog.errors import CorpusError
from byline.cli.diff import diff as diff_verb
from byline.pipelines.beam.build import build
from byline.pipelines.rights.plans.differences import difference
from tests.builders import POLICY, a_picture, a_yfcc_line, encoded, write_corpus

pytestmark = pytest.mark.beam
NARROW = POLICY.replace('["CC0", "CC-BY", "CC-BY-SA"]', '["CC0", "CC-BY"]').replace("0.2", "0.6")
HOSTILE = "[red]Eve%1B[2J"


def _line(number, kind="by", *, picture=None, version="4.0", **said):
    return a_yfcc_line(
        str(number),
        f"https://pictures.example/{number if picture is None else picture}.jpg",
        licenseurl=f"https://creativecommons.org/licenses/{kind}/{version}/",
        licensename="Attribution License" if kind == "by" else "Attribution-ShareAlike License",
        **said,
    )


def _corpus(folder, lines, num_packs):
    config = write_corpus(folder, lines, num_packs=num_packs)
    for number in range(10):
        (folder / f"pictures/{number}.jpg").write_bytes(encoded(a_picture(number)))
    return config


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    """Build three releases: A, B of the same corpus later, and A's records in another corpus with other packs.

    From A to B share-alike is refused (4), 3 and 6 are left out by their source, 2 has another license, 7
    another credit, 8 a creator, and 9 comes. 31 and 32 show what 3 shows.
    """
    lines = [_line(number, "by-sa" if number == 4 else "by") for number in range(9)]
    lines[8] = _line(8, unickname="")
    lines += [_line(31, picture=3), _line(32, picture=3)]
    folder = tmp_path_factory.mktemp("diff")
    config = _corpus(folder, lines, 2)
    a = build(str(config), workers=1)
    other = build(str(_corpus(tmp_path_factory.mktemp("other"), lines, 1)), workers=1)
    lines[7] = _line(7, title=HOSTILE, unickname="Grace")
    lines[2], lines[8] = _line(2, version="3.0"), _line(8)
    lines = [*lines[:3], *lines[4:6], *lines[7:], _line(9)]
    (folder / "metadata.tsv").write_text("".join(line + "\n" for line in lines))
    (folder / "policy.toml").write_text(NARROW)
    return a, build(str(config), workers=1), other


def _reasons(moved):
    return {one.record_id.removeprefix("test:"): list(one.reasons) for one in moved}


@pytest.mark.slow
def test_records_come_and_go_each_with_its_reasons(releases):
    found = difference(*releases[:2])
    assert _reasons(found.added) == {
        "31": ["duplicate:same-bytes"],
        "8": ["creator:missing"],
        "9": ["record:absent"],
    }
    assert _reasons(found.removed) == {
        "3": ["record:absent"],
        "4": ["license:CC-BY-SA-4.0"],
        "6": ["record:absent"],
    }
    assert {one.record_id: one.license for one in found.removed}["test:4"] == "CC-BY-SA-4.0"


@pytest.mark.slow
def test_an_image_that_another_record_shows_stays(releases):
    found = difference(*releases[:2])
    assert set(_reasons(found.images_added)) == {"8", "9"}
    assert set(_reasons(found.images_removed)) == {"4", "6"}


def test_counts_by_license_and_source_are_those_of_the_manifests(releases):
    a, b, _ = releases
    found = difference(a, b)
    assert {name: group.a for name, group in found.by_license.items() if group.a} == a.manifest.licenses
    assert {name: group.b for name, group in found.by_license.items() if group.b} == b.manifest.licenses
    assert found.by_license["CC-BY-SA-4.0"].model_dump() == {"a": 1, "b": 0, "added": 0, "removed": 1}
    (source,) = found.by_source.values()
    assert source.model_dump() == {"a": 8, "b": 8, "added": 2, "removed": 2}


def test_credits_that_changed_are_told(releases):
    found = difference(*releases[:2])
    assert {(one.part, one.a) for one in found.credits} == {
        ("title", "blobs number 7"),
        ("creator", "Ada L."),
        ("license", "CC-BY-4.0"),
        ("title", "blobs number 3"),  # 31 is credited now
    }


def test_a_record_with_another_license_or_another_keeper_is_told(releases):
    found = difference(*releases[:2])
    relicensed, rekept = ([one.model_dump() for one in changes] for changes in (found.relicensed, found.rekept))
    assert relicensed == [{"record_id": "test:2", "a": "CC-BY-4.0", "b": "CC-BY-3.0"}]
    assert rekept == [{"record_id": "test:32", "a": "test:3", "b": "test:31"}]


def test_other_splits_are_told(releases):
    found = difference(*releases[:2])
    assert found.resplit
    assert {(one.a, one.b) for one in found.resplit} == {("train", "heldout")}


def test_backwards_is_the_opposite(releases):
    there, back = difference(*releases[:2]), difference(*releases[1::-1])
    assert [one.record_id for one in there.added] == [one.record_id for one in back.removed]
    assert {one.sha256 for one in there.images_removed} == {one.sha256 for one in back.images_added}
    assert [(one.a, one.b) for one in there.credits] == [(one.b, one.a) for one in back.credits]


def test_equal_records_in_other_packs_of_another_corpus_are_the_same(releases):
    a, _, other = releases
    assert a.version != other.version
    found = difference(a, other)
    assert not any((found.added, found.removed, found.images_added, found.images_removed, found.credits))
    assert not any((found.relicensed, found.resplit, found.rekept))


def _run(*arguments):
    app = Typer()
    app.command()(diff_verb)
    return CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "80"})


def _place(release):
    return release.store.url(release.path)


def test_json_has_everything_and_its_keys_are_documented(releases):
    a, b, _ = releases
    result = _run(_place(a), _place(b), "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    assert said == difference(a, b).model_dump(mode="json")
    assert list(said) == sorted(said)
    documented = diff_verb.__doc__.split("which stay: ")[1].split("\n\n")[0]
    assert sorted(documented.rstrip(".").replace("\n", " ").replace(",", " ").split()) == sorted(said)


def test_the_terminal_shows_it_and_nothing_that_a_source_could_do(releases, monkeypatch):
    a, b, _ = releases
    result = _run(_place(a), _place(b))
    assert result.exit_code == 0, result.output
    assert "title: blobs number 7 -> [red]Eve [2J" in result.stdout
    assert "\x1b" not in result.stdout
    assert "creator:missing" in result.stdout
    monkeypatch.setattr("byline.cli.diff.FIRST", 1)
    short, whole = _run(_place(a), _place(b)).stdout, _run(_place(a), _place(b), "--all").stdout
    assert "and 2 more; --all shows them" in short
    assert len(whole.splitlines()) > len(short.splitlines())


def test_a_release_and_itself_are_an_error(releases):
    with pytest.raises(CorpusError, match="are the same release; name two"):
        difference(releases[0], Release(_place(releases[0])))


@pytest.mark.parametrize("name", ["verdicts/test-00000.parquet", "credits.parquet"])
def test_an_edited_file_is_named(releases, tmp_path, name):
    a, b, _ = releases
    shutil.copytree(b.store.local_path(""), tmp_path / "corpus")
    edited = Release(str(tmp_path / f"corpus/{b.path}"))
    path = edited.store.local_path(f"{edited.path}/{name}")
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CorpusError, match=f"{name} was edited"):
        difference(a, edited)
