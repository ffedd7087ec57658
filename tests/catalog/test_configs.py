from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from byline.catalog.configs.loading import load_config
from byline.catalog.errors import ConfigError


class Inner(BaseModel, frozen=True, extra="forbid"):
    size: int = Field(1, ge=1)


class Apple(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["apple"]
    seeds: int = 1


class Pear(BaseModel, frozen=True, extra="forbid"):
    kind: Literal["pear"]
    weight_g: int = 1


class Outer(BaseModel, frozen=True, extra="forbid"):
    name: str
    fruit: Annotated[Apple | Pear, Field(discriminator="kind")] | None = None
    choice: Literal["a", "kind"] = "a"
    by_kind: dict[Literal["x", "y"], str] = {}
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
        ('name = "a"\nnom = 1', "unknown key 'nom'; known keys: by_kind, choice, fruit, inner, many, name"),
        ('name = "a"\n[inner]\nsiez = 1', r"unknown key 'siez' in \[inner\]; known keys: size"),
        ('name = "a"\n[[many]]\nsiez = 1', r"unknown key 'siez' in \[many.0\]; known keys: size"),
        ("", "missing key 'name'"),
        ('name = "a"\n[inner]\nsize = 0', "inner.size: Input should be greater than or equal to 1, got 0"),
        ('name = "a', "is not TOML"),
        ('name = {a = "b"}', r"c.toml: name: Input should be a valid string$"),
        ('name = "a"\nmany = 3', "many: Input should be a list, got 3"),
        ('name = "a"\ninner = 3', "inner: Input should be a table.*, got 3"),
        ('name = "a"\nchoice = "c"', "choice: Input should be 'a' or 'kind', got 'c'"),
        ('name = "a"\n[fruit]\nkind = "fig"', "fruit.kind can be apple, pear, got 'fig'"),
        ('name = "a"\n[fruit]\nseeds = 1', r"missing key 'kind' in \[fruit\]; it can be apple, pear"),
        (
            'name = "a"\n[fruit]\nkind = "pear"\nseeds = 1',
            r"unknown key 'seeds' in \[fruit\]; known keys: kind, w",
        ),
        (
            'name = "a"\n[fruit]\nkind = "pear"\nweight_g = "b"',
            "fruit.weight_g: Input should be a valid integer",
        ),
        ('name = "a"\n[by_kind]\nz = "b"', r"unknown key 'z' in \[by_kind\]; known keys: 'x' or 'y'"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        _load(tmp_path, text)
    assert "\n" not in str(caught.value).replace(text, "")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no config file at"):
        load_config(tmp_path / "none.toml", Outer)
