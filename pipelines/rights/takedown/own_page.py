"""The page to look at before a takedown: it takes no other file's place, and no other file is deleted with it."""

from collections.abc import Iterator
from pathlib import Path

from byline.catalog.corpora.written import forget_written, noted_page
from byline.catalog.disk.folders import absolute, is_file, is_there
from byline.catalog.disk.storage import Store
from byline.catalog.errors import ConfigError
from byline.catalog.text import one_line

PAGE_TITLE = "Takedown in"
"""How the title of every such page begins."""
_HEAD_BYTES = 1 << 16


def require_own(store: Store, page: str) -> None:
    """Raise `ConfigError` where a page cannot be written, or would take the place of what byline did not write."""
    if is_there(page) and not is_own(store, page):
        what = "a file that byline did not write, or that was changed since" if is_file(page) else "no file"
        raise ConfigError(f"{page} is {what}; move it, or name another place with --page")
    if not Path(page).absolute().parent.is_dir():
        raise ConfigError(
            f"no folder {Path(page).absolute().parent} for the page; make it, or name another with --page"
        )


def is_own(store: Store, page: str) -> bool:
    """Tell whether a file is a page of takedowns as byline wrote it.

    What the corpus noted of it decides; of one that no corpus could note, its title does.
    """
    noted = noted_page(store, absolute(page))
    if noted is not None and noted.sha256:
        return noted.is_as_written
    if not is_file(page):
        return False
    with Path(page).open("rb") as file:
        return f"<title>{PAGE_TITLE} ".encode() in file.read(_HEAD_BYTES)


def delete_own(store: Store, page: str) -> Iterator[str]:
    """Delete the page, which shows what was removed; yield a line for another file that is in its place."""
    if is_own(store, page):
        Path(page).unlink()
    elif is_there(page):
        yield one_line(f"not deleted: {page}, which is not as byline wrote it; it may show what was removed")
        return
    forget_written(store, absolute(page))
