"""What workers, devices and a store are taken to cost, and what others published: a table that a person can replace."""

from pathlib import Path

from pydantic import BaseModel, Field

from byline.catalog.configs.hardware import CLUSTER, shipped_table
from byline.catalog.configs.loading import load_config


class Rented(BaseModel, frozen=True, extra="forbid"):
    """Something that is paid by the hour."""

    name: str
    usd_per_hour: float = Field(ge=0)
    price_from: str


class StorePrices(BaseModel, frozen=True, extra="forbid"):
    """An object store. A GB is 10^9 bytes."""

    usd_per_gb_month: float = Field(ge=0)
    usd_per_1000_writes: float = Field(ge=0)
    price_from: str


class Published(BaseModel, frozen=True, extra="forbid"):
    """A corpus of others, and what its makers say that it took."""

    name: str
    pictures: int = Field(ge=1)
    pictures_from: str
    caption_hours: float = Field(ge=0)
    caption_hours_from: str


class Prices(BaseModel, frozen=True, extra="forbid"):
    """`configs/hardware/cluster.toml`, or a file like it."""

    worker: Rented
    device: Rented
    store: StorePrices
    published: Published


def read_prices(path: str | None) -> Prices:
    """Read the table at `path`, or the one that comes with byline. Raises `ConfigError` for one that is none."""
    return load_config(Path(path) if path else shipped_table(CLUSTER), Prices)
