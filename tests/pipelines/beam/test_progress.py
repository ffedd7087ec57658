"""Bars of stages: only where there is work, with every record counted once."""

from io import StringIO

import pytest
from rich.console import Console

from byline.catalog.progress import TOTAL, Meter, watch

STAGES = ["fetch", "measure", "judge"]


def _shown(folder, *, is_terminal):
    """Return what is shown at the end of a build whose workers counted into `folder`."""
    screen = StringIO()
    with watch(folder, STAGES, Console(file=screen, force_terminal=is_terminal, width=100)):
        pass
    return screen.getvalue()


def _pack(meter, stage, num_records, *, done=0):
    with meter.pack(stage, num_records) as count:
        for _ in range(done):
            count(1)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_stage_that_every_record_passed_without_work_has_no_bar(tmp_path, is_terminal):
    meter = Meter(str(tmp_path))
    meter.add(TOTAL, 60)
    for num_new in (0, 1, 20):
        _pack(meter, "fetch", 20, done=num_new)
        _pack(meter, "measure", 20)
    meter.work("judge")
    meter.add("judge", 20)
    shown = _shown(tmp_path, is_terminal=is_terminal)
    assert "measure" not in shown
    assert ["60/60" in line for line in shown.splitlines() if "fetch" in line][-1]
    assert ["20/60" in line for line in shown.splitlines() if "judge" in line][-1]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_where_no_stage_had_work_there_is_no_bar(tmp_path, is_terminal):
    meter = Meter(str(tmp_path))
    meter.add(TOTAL, 20)
    for stage in STAGES:
        _pack(meter, stage, 20)
    shown = _shown(tmp_path, is_terminal=is_terminal)
    assert not [stage for stage in STAGES if stage in shown]
    assert is_terminal or shown == ""


def test_what_is_taken_back_counts_for_nothing(tmp_path):
    meter = Meter(str(tmp_path))
    for _ in range(2):
        meter.add(TOTAL, 20)
        _pack(meter, "fetch", 20, done=20)
        meter.take_back()
    assert _shown(tmp_path, is_terminal=False) == ""
    meter.add(TOTAL, 20)
    _pack(meter, "fetch", 20, done=1)
    assert "20/20" in _shown(tmp_path, is_terminal=False)
