"""Small distributions with entry points, as pip would install them, for tests of what people add to byline."""

from pathlib import Path

from byline.catalog.configs import extensions


def install(site: Path, name: str, entry_points: str, module: str, *, version: str = "1.0") -> None:
    """Write the one module of a distribution, `name` with underscores, and its metadata below `site`."""
    stem = name.replace("-", "_")
    site.mkdir(parents=True, exist_ok=True)
    (site / f"{stem}.py").write_text(module)
    for old in site.glob(f"{stem}-*.dist-info"):
        old.rename(old.with_name("gone"))
        (old.with_name("gone") / "METADATA").unlink()
        (old.with_name("gone") / "entry_points.txt").unlink()
        old.with_name("gone").rmdir()
    info = site / f"{stem}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(entry_points)


def found_anew() -> None:
    """Forget which extensions were found in this process."""
    extensions._installed.cache_clear()
