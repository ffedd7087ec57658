import pytest

from byline.catalog.corpora.records import UnreadableRow
from byline.pipelines.sources.notes import Unread, kind_of_problem
from byline.pipelines.sources.telling import not_used_line, unread_lines


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        ("no picture at 'b.jpg'", "no picture at '...'"),
        ("3 columns; expected 2", "N columns; expected N"),
        ("id https://x.example/1 came before", "id ... came before"),
        ("no url", "no url"),
    ],
)
def test_problems_are_counted_without_what_differs_from_row_to_row(problem, kind):
    assert kind_of_problem(problem) == kind


def test_more_rows_than_are_shown_are_counted_by_reason():
    first = [UnreadableRow(place=f"line {n}", problem="no url") for n in range(5)]
    unread = Unread(
        source="s", num_rows=1200, first=first, reasons={"no url": 1100, "no id": 100}, listed="c/u.parquet"
    )
    lines = unread_lines(unread)
    assert lines[0] == "source s: 1,200 rows could not be read"
    assert lines[1:6] == [f"  line {n}: no url" for n in range(5)]
    assert lines[6:] == [
        "  by reason:",
        "      1,100  no url",
        "        100  no id",
        "  all of them are in c/u.parquet",
    ]


def test_names_near_a_field_come_first_and_the_rest_is_counted():
    names = {**{f"c{n:02d}": "" for n in range(30)}, "Licens": "license"}
    line = not_used_line(names)
    assert line.startswith("in it and not used: Licens (nearest: license), c00, ")
    assert line.endswith(', and 11 more; to use one: columns = { license = "Licens" }')
