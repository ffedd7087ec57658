"""JSON that is nested deeper than Python reads is one line wherever it is read, and no traceback."""

import pytest

from byline.catalog.errors import CheckpointError, ConfigError, CorpusError
from byline.catalog.json_text import parse_json
from byline.dedup.embedding.encoders import is_own
from byline.diffusion.drawn import METADATA
from byline.diffusion.parts import FILE, FOLDER, read_parts
from byline.evaluation.pictures import read_folder
from byline.evaluation.report import read_reports

DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize("text", [DEEP, DEEP.encode(), '{"a":' * 100_000, "", "{", b"\xff"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_json(text)


def test_json_is_read():
    assert parse_json(b'{"a": [1]}') == {"a": [1]}


def test_files_of_other_people_are_one_line(tmp_path):
    (tmp_path / "config.json").write_text(DEEP)
    (tmp_path / METADATA).write_text(DEEP)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / FILE).write_text(DEEP)
    assert not is_own(str(tmp_path))
    with pytest.raises(ConfigError, match="is no report"):
        read_reports(tmp_path / "config.json", "0" * 64)
    with pytest.raises(CorpusError, match="is no folder of drawn pictures: nested too deep"):
        read_folder(tmp_path, side_px=8)
    with pytest.raises(CheckpointError, match="is damaged"):
        read_parts(tmp_path)
