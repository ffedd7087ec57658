"""The line chart: values and their running mean at the places that the axis gives them."""

import math
import re
import xml.etree.ElementTree as ET

import pytest

from byline.pages.chart import (
    BOTTOM,
    LEFT,
    MOST_POINTS,
    RIGHT,
    TOP,
    Line,
    chart_file,
    line_chart,
    lines_chart,
    running_mean,
)

POINTS = [(10, 1.0), (20, 0.1), (40, 0.01)]


def _paths(chart, name):
    found = [path.get("d") for path in ET.fromstring(str(chart)).iter("path") if path.get("class") == name]
    return [[tuple(map(float, place.split())) for place in path[1:].split("L")] for path in found]


def test_values_lie_where_a_logarithmic_axis_puts_them():
    ((first, middle, last),) = _paths(line_chart(POINTS, title="loss", unit="images", log=True), "each")
    assert first == (LEFT + (RIGHT - LEFT) / 4, TOP)
    assert middle == (LEFT + (RIGHT - LEFT) / 2, (TOP + BOTTOM) / 2)
    assert last == (RIGHT, BOTTOM)


def test_values_lie_where_a_linear_axis_puts_them():
    ((_, middle, _),) = _paths(line_chart(POINTS, title="loss", unit="images"), "each")
    assert middle[1] == pytest.approx(TOP + (BOTTOM - TOP) * 0.9 / 0.99, abs=0.05)


def test_the_line_is_the_running_mean():
    chart = line_chart(POINTS, title="loss", unit="images")
    ((_, second, _),) = _paths(chart, "line")
    mean = (0.8 * 1.0 + 0.1) / 1.8
    assert running_mean([1.0, 0.1])[1] == pytest.approx(mean)
    assert second[1] == pytest.approx(TOP + (BOTTOM - TOP) * (1.0 - mean) / 0.99, abs=0.06)


def test_the_lines_across_say_what_they_stand_for():
    texts = [text.text for text in ET.fromstring(str(line_chart(POINTS, title="a <b>", unit="images", log=True)))]
    levels = [float(text) for text in texts if text and text.replace(".", "").isdigit()]
    assert [math.log10(level) for level in levels[:5]] == pytest.approx([-2, -1.5, -1, -0.5, 0], abs=0.01)
    assert "a <b> (logarithmic)" in texts
    assert "40 images" in texts


def test_a_level_line_and_equal_places_are_drawn():
    assert _paths(line_chart([(0, 2.0), (0, 2.0)], title="t", unit="u"), "each") == [[(LEFT, TOP), (LEFT, TOP)]]


@pytest.mark.parametrize(
    ("points", "log", "wrong"),
    [([(1, 1.0)], False, "two points, got 1"), ([(1, 1.0), (2, 0.0)], True, "above 0, got 0.0")],
)
def test_what_cannot_be_drawn_is_said(points, log, wrong):
    with pytest.raises(ValueError, match=wrong):
        line_chart(points, title="t", unit="u", log=log)


def test_a_file_brings_its_colors_and_loads_nothing():
    text = chart_file(line_chart(POINTS, title="loss", unit="images"))
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in text
    assert text.count("http") == 1


def test_what_knows_no_variables_shows_a_file_in_its_light_colors():
    text = chart_file(line_chart(POINTS, title="loss", unit="images"))
    colored = re.findall(r"(?:([a-z]+): (#[0-9a-f]+); )?([a-z]+): var\(", text)
    assert len(colored) > 10
    assert all(plain == name for plain, _, name in colored)
    assert ".line { stroke: #1550b0; stroke: var(--link) }" in text


def _lines(*many, **options):
    lines = [Line(name=f"<{number}>", number=number, points=points) for number, points in enumerate(many)]
    return ET.fromstring(str(lines_chart(lines, title="loss", unit="images", **options)))


def test_lines_share_their_axes_and_keep_their_color():
    chart = _lines([(10, 1.0), (20, 0.1)], [(10, 0.1), (40, 0.01)], log=True)
    one, two = chart.iterfind("path[@data-line]")
    assert (one.get("class"), two.get("class")) == ("hue0", "hue1")
    assert (one.find("title").text, two.find("title").text) == ("<0>", "<1>")
    assert one.get("d").startswith(f"M{LEFT + (RIGHT - LEFT) / 4:.1f} {TOP:.1f}L")
    assert two.get("d").endswith(f"L{RIGHT:.1f} {BOTTOM:.1f}")


def test_the_ninth_line_has_the_first_color_and_is_dashed():
    *_, last = _lines(*[[(1, 1.0), (2, 2.0)]] * 9).iterfind("path[@data-line]")
    assert last.get("class") == "hue0 dashed"


def test_a_line_of_one_point_is_a_dot():
    (dot,) = _lines([(10, 1.0)]).iterfind("circle")
    assert (dot.get("cx"), dot.get("data-line")) == (f"{RIGHT:.1f}", "0")


def test_values_that_an_axis_cannot_show_are_left_out():
    (line,) = _lines([(1, math.nan), (2, 0.0), (3, 1.0), (4, 2.0)], log=True).iterfind("path[@data-line]")
    assert line.get("d").count("L") == 1
    with pytest.raises(ValueError, match="a chart needs a point, got none"):
        _lines([(1, math.inf)])


def test_a_long_line_is_drawn_as_means_of_neighbors():
    (line,) = _lines([(x, float(x % 2)) for x in range(1, 4 * MOST_POINTS + 1)]).iterfind("path[@data-line]")
    places = [tuple(map(float, place.split())) for place in line.get("d")[1:].split("L")]
    assert len(places) == MOST_POINTS
    assert len({down for _, down in places}) == 1
    assert places[-1][0] == RIGHT
