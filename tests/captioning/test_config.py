import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from byline.captioning import CaptionConfig
from byline.captioning.generating import Blip2Config
from byline.captioning.source_text import SourceTextConfig

CONFIG = TypeAdapter(CaptionConfig)


@pytest.mark.parametrize(
    ("table", "kind"),
    [({"captioner": "source-text"}, SourceTextConfig), ({"captioner": "blip2", "model": "weights"}, Blip2Config)],
)
def test_the_key_captioner_chooses_the_config(table, kind):
    assert isinstance(CONFIG.validate_python(table), kind)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"captioner": "florence"}, "no captioner 'florence'; known: blip2, openai, source-text, transformers"),
        ({"captioner": "source-text", "model": "x"}, "Extra inputs are not permitted"),
        ({"captioner": "blip2"}, "Field required"),
        ({"captioner": "blip2", "model": "org/name", "revision": "main"}, "String should match pattern"),
        ({"captioner": "blip2", "model": "x", "sampling": {}}, r"\[sampling\] needs num_beams = 1"),
    ],
)
def test_a_table_that_fits_no_captioner_is_refused(table, message):
    with pytest.raises(ValidationError, match=message):
        CONFIG.validate_python(table)


def test_importing_the_room_loads_neither_torch_nor_transformers():
    code = "import sys, byline.captioning; print({'torch', 'transformers'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
