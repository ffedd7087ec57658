"""License tags of whole sets against the licenses of their rows."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from byline.catalog.errors import CorpusError
from byline.cli.lint import lint
from byline.pipelines.releases.papers import write_papers
from byline.pipelines.releases.papers.lint import contradictions, lint_folder
from tests.pipelines.releases.papers.accounts import a_credit, a_release_folder, an_account

SA = "asks that adaptations keep the license"


@pytest.mark.parametrize(
    ("tag", "row", "line"),
    [
        ("cc-by-4.0", "CC-BY-4.0", None),
        ("https://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0", None),
        ("CC-BY-4.0", "CC-BY-4.0", None),
        ("cc-by-4.0", "CC-BY-2.0", "are CC-BY-2.0; the tag cc-by-4.0 names another version of it"),
        ("cc-by-3.0", "CC-BY-3.0-DE", "are CC-BY-3.0-DE; the tag cc-by-3.0 names another variant of it"),
        ("cc-by-4.0", "LicenseRef-CC-BY", "are LicenseRef-CC-BY; the tag cc-by-4.0 names a version, which they do not"),
        ("cc-by-4.0", "CC-BY-SA-4.0", f"are CC-BY-SA-4.0; the tag cc-by-4.0 is more permissive: CC-BY-SA-4.0 {SA}"),
        ("cc-by-4.0", "CC-BY-NC-4.0", "are CC-BY-NC-4.0; the tag cc-by-4.0 is more permissive: CC-BY-NC-4.0 forbids "
         "commercial use"),
        ("cc-by-4.0", "CC-BY-ND-4.0", "are CC-BY-ND-4.0; the tag cc-by-4.0 is more permissive: CC-BY-ND-4.0 forbids "
         "adaptations"),
        ("cc0-1.0", "CC-BY-4.0", "are CC-BY-4.0; the tag cc0-1.0 is more permissive: CC-BY-4.0 asks for credit"),
        ("cc-by-4.0", "LicenseRef-unknown", "state no license that can be read; the tag cc-by-4.0 promises one"),
        ("cc-by-4.0", "LicenseRef-missing", "state no license; the tag cc-by-4.0 promises one"),
        ("cc-by-4.0", "LicenseRef-contradicted", "contradict themselves; the tag cc-by-4.0 promises one"),
        ("cc-by-sa-4.0", "CC-BY-4.0", None),
        ("cc-by-4.0", "CC0-1.0", None),
        ("cc-by-4.0", "LicenseRef-public-domain", None),
        ("cc-by-nc-sa-4.0", "CC-BY-SA-4.0", "are CC-BY-SA-4.0; the tag cc-by-nc-sa-4.0 is another license: "
         f"CC-BY-SA-4.0 {SA}"),
        ("mit", "Apache-2.0", "are Apache-2.0; the tag mit is another license"),
        ("mit", "CC-BY-4.0", "are CC-BY-4.0; the tag mit is another license: CC-BY-4.0 asks for credit"),
        ("apache-2.0", "Apache-2.0", None),
        ("cc-by-4.0", "CC-BY-4.0 OR MIT", None),
        ("mit", "Apache-2.0 OR MIT", None),
        ("other", "CC-BY-NC-4.0", None),
        ("unknown", "CC-BY-NC-4.0", None),
        ("", "CC-BY-NC-4.0", None),
        ("cc-by-2.0, cc-by-4.0", "CC-BY-2.0", None),
        ("cc-by-2.0, mit", "MIT", None),
        ("mit, cc-by-4.0", "CC-BY-2.0", "are CC-BY-2.0; the tag cc-by-4.0 names another version of it"),
        ("cc-by-2.0, cc-by-sa-4.0", "CC-BY-4.0", "are CC-BY-4.0; the tag cc-by-2.0 names another version of it"),
        ("LicenseRef-public-domain, cc-by-4.0", "LicenseRef-public-domain", None),
    ],
)  # fmt: skip
def test_what_a_tag_gets_wrong_about_its_rows(tag, row, line):
    expected = [] if line is None else [f"1,200 of 1,200 rows {line}"]
    assert contradictions(tag, {row: 1200}) == expected


def test_a_tag_that_cannot_be_read_holds_no_row_to_anything():
    assert contradictions("openrail", {"MIT": 5}) == [
        "the tag openrail names no license that can be read; 5 rows cannot be held to it"
    ]


def test_lines_are_in_the_order_of_their_counts():
    lines = contradictions("cc-by-4.0", {"CC-BY-2.0": 2, "CC-BY-SA-2.0": 30, "CC-BY-4.0": 68, "CC-BY-3.0": 0})
    assert [line.split(";")[0] for line in lines] == ["30 of 100 rows are CC-BY-SA-2.0", "2 of 100 rows are CC-BY-2.0"]


def _a_dataset(folder, card, **tables):
    if card is not None:
        (folder / "README.md").write_text(card)
    for name, columns in tables.items():
        (folder / "data").mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), folder / "data" / f"{name}.parquet")
    return folder


def test_a_dataset_tagged_4_0_with_rows_of_2_0(tmp_path):
    rows = {
        "licensename": ["Attribution License", "Attribution License", "Attribution-ShareAlike License", None],
        "licenseurl": [
            "http://creativecommons.org/licenses/by/2.0/",
            "https://creativecommons.org/licenses/by/4.0/",
            "http://creativecommons.org/licenses/by-sa/2.0/",
            None,
        ],
        "title": ["a", "b", "c", "d"],
    }
    folder = _a_dataset(
        tmp_path, "---\nlicense: cc-by-4.0\n---\n# x\n", a=rows, b={"License": ["CC BY 2.0"]}, c={"x": [1]}
    )
    assert lint_folder(folder) == [
        "README.md: 2 of 5 rows are CC-BY-2.0; the tag cc-by-4.0 names another version of it",
        "README.md: 1 of 5 rows are CC-BY-SA-2.0; the tag cc-by-4.0 is more permissive: CC-BY-SA-2.0 asks that "
        "adaptations keep the license",
        "README.md: 1 of 5 rows state no license; the tag cc-by-4.0 promises one",
    ]


def test_a_card_without_a_license_is_told(tmp_path):
    folder = _a_dataset(tmp_path, "# x\n", a={"license": ["mit", "mit"]})
    assert lint_folder(folder) == ["README.md: states no license; its 2 rows state 1"]


@pytest.mark.parametrize(
    ("card", "tables", "message"),
    [
        (None, {"a": {"license": ["mit"]}}, "has no README.md"),
        ("---\nlicense: mit\n---\n", {}, "has no rows with a license: no Parquet file with a column license"),
        ("---\nlicense: mit\n---\n", {"a": {"title": ["x"]}}, "has no rows with a license"),
        ("---\nlicense: [mit\n---\n", {"a": {"license": ["mit"]}}, "its front matter is not YAML"),
        ("---\n- mit\n---\n", {"a": {"license": ["mit"]}}, "its front matter is a list, not a table"),
    ],
)
def test_a_folder_that_cannot_be_compared_is_one_error(tmp_path, card, tables, message):
    with pytest.raises(CorpusError, match=message):
        lint_folder(_a_dataset(tmp_path, card, **tables))


def test_what_is_no_folder_and_what_is_no_parquet_are_errors(tmp_path):
    with pytest.raises(CorpusError, match="no folder .*nowhere"):
        lint_folder(tmp_path / "nowhere")
    folder = _a_dataset(tmp_path, "---\nlicense: mit\n---\n", a={"license": ["mit"]})
    (folder / "data/b.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(CorpusError, match="b.parquet is not a readable Parquet file"):
        lint_folder(folder)


def _a_release(tmp_path, *rows):
    folder, account = a_release_folder(tmp_path, an_account, list(rows))
    for name, data in write_papers(account).items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_text("{}")
    (folder.parent / "LATEST").write_text(f"{folder.name}\n")
    return folder


def test_a_release_does_not_contradict_itself(tmp_path):
    rows = [a_credit(0), a_credit(1, license="LicenseRef-public-domain"), a_credit(2, license="CC-BY-SA-4.0")]
    folder = _a_release(tmp_path, *rows)
    assert lint_folder(folder.parent) == lint_folder(folder) == []
    assert CliRunner().invoke(_app(), [str(folder.parent)]).exit_code == 0


def test_a_release_whose_papers_were_tampered_with_does(tmp_path):
    folder = _a_release(tmp_path, a_credit(0), a_credit(1, license="CC-BY-SA-4.0"))
    metadata = json.loads((folder / "croissant.json").read_bytes())
    metadata["license"] = ["https://creativecommons.org/licenses/by/2.0/"]
    (folder / "croissant.json").write_text(json.dumps(metadata))
    (folder / "README.md").write_text("---\nlicense: cc-by-sa-4.0\n---\n")
    tag = "https://creativecommons.org/licenses/by/2.0/"
    told = [f"croissant.json: 1 of 2 rows are CC-BY-SA-4.0; the tag {tag} is more permissive: CC-BY-SA-4.0 {SA}"]
    assert lint_folder(folder) == told
    done = CliRunner().invoke(_app(), [str(folder)])
    assert done.exit_code == 1
    assert done.output.splitlines() == told


def _app():
    import typer

    app = typer.Typer()
    app.command()(lint)
    return app
