"""The curve of a run is drawn from its log."""

import xml.etree.ElementTree as ET

import pytest

from byline.catalog.errors import CheckpointError, ConfigError
from byline.training.curve import draw_curve
from byline.training.log import LogEntry, append_log


def a_run(folder, losses):
    for number, loss in enumerate(losses, 1):
        append_log(folder / "log.jsonl", LogEntry(images_seen=32 * number, loss=loss, lr=0.1, images_per_s=9.0))
    return str(folder)


def test_a_run_has_a_curve(tmp_path):
    draw_curve(a_run(tmp_path, [1.0, 0.5, 0.25]), str(tmp_path / "loss.svg"))
    texts = [text.text for text in ET.parse(tmp_path / "loss.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert {"96 images seen", "1", "0.25"} <= set(texts)


def test_a_run_without_a_log_has_none(tmp_path):
    with pytest.raises(CheckpointError, match="no log of two entries"):
        draw_curve(a_run(tmp_path, [1.0]), str(tmp_path / "loss.svg"))


def test_it_is_drawn_as_svg(tmp_path):
    with pytest.raises(ConfigError, match=r"loss\.png does not end in \.svg"):
        draw_curve(a_run(tmp_path, [1.0, 0.5]), str(tmp_path / "loss.png"))
