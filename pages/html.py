"""Templates of HTML pages, and what of other people may stand in one: a page loads nothing, and runs only its own."""

import base64
import hashlib
import json
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from PIL import Image

ROOM = "byline.pages"


def html_templates(package: str) -> Environment:
    """Return the HTML templates of a package, which extend `base.html.j2` of this room.

    Whatever they put out is escaped unless it was made safe. A name that was not given is an error, not an empty place.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "."), PackageLoader(ROOM, ".")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["thousands"] = lambda number: f"{number:,}"
    environment.filters["percent"] = lambda share: f"{100 * share:.2f} %"
    environment.filters["csp_hash"] = csp_hash
    environment.filters["script_json"] = script_json
    return environment


def layout_files() -> list[Path]:
    """Return the files of this room, sorted: what they say decides how every page looks."""
    return sorted(path for path in Path(__file__).parent.iterdir() if path.suffix in {".py", ".j2", ".css", ".js"})


def csp_hash(source: str) -> str:
    """Return how a Content-Security-Policy names a script or a style sheet that may be used."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


def script_json(value: Any) -> Markup:
    """Return plain data as JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def jpeg_url(jpeg: bytes) -> str:
    """Return a JPEG as a URL that holds it, so that a page needs no other file."""
    return _data_url(jpeg, "JPEG")


def picture_url(picture: "Image.Image", kind: str, **options: Any) -> str:
    """Return a picture, saved as `PNG` or `JPEG`, as a URL that holds it."""
    sink = BytesIO()
    picture.save(sink, kind, **options)
    return _data_url(sink.getvalue(), kind)


def _data_url(data: bytes, kind: str) -> str:
    return f"data:image/{kind.lower()};base64,{base64.b64encode(data).decode()}"


def safe_url(url: str | None) -> str | None:
    """Return a URL that a page may link to, or none: only http(s)."""
    return url if url and url.startswith(("https://", "http://")) else None
