import pytest
from pydantic import BaseModel, Field

from byline.catalog.configs import load_config
from byline.catalog.errors import ConfigError


class Inner(BaseModel, frozen=True, extra="forbid"):
    size: int = Field(1, ge=1)


class Outer(BaseModel, frozen=True, extra="forbid"):
    name: str
    inner: Inner = Inner()
    many: tuple[Inner, ...] = ()


def _load(tmp_path, text):
    path = tmp_path / "c.toml"
    path.write_text(text)
    return load_config(path, Outer)


def test_a_good_file_loads(tmp_path):
    assert _load(tmp_path, 'name = "a"\n[inner]\nsize = 3').inner.size == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "a"\nnom = 1', "unknown key 'nom'; known keys: inner, many, name"),
        ('name = "a"\n[inner]\nsiez = 1', r"unknown key 'siez' in \[inner\]; known keys: size"),
        ('name = "a"\n[[many]]\nsiez = 1', r"unknown key 'siez' in \[many.0\]; known keys: size"),
        ("", "missing key 'name'"),
        ('name = "a"\n[inner]\nsize = 0', "inner.size: Input should be greater than or equal to 1, got 0"),
        ('name = "a', "is not TOML"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        _load(tmp_path, text)
    assert "\n" not in str(caught.value).replace(text, "")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no config file at"):
        load_config(tmp_path / "none.toml", Outer)
