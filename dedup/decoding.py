"""Decode files only as far as a small look at them needs: JPEGs shrink while they are decoded."""

from io import BytesIO

from PIL import Image

from byline.dedup.progressive import means_only

_MOST = 8  # the most that libjpeg shrinks by: then every block is one pixel


def decode(data: bytes, *, at_least_px: int | None) -> Image.Image:
    """Return a file's picture in RGB: whole and exact, or with its shorter side still at least `at_least_px`.

    libjpeg shrinks a JPEG by 2, 4 or 8 in its frequencies, before they become pixels; other formats, and small
    pictures, come in their full size. Transparent files are refused. The orientation that EXIF names is not applied:
    pictures that we store have none. Safe against decompression bombs only in so far as the caller checked the size
    that the header states, as is done for whatever is stored.
    """
    return _decode(data, "RGB", at_least_px)


def decode_gray(data: bytes, *, at_least_px: int | None) -> Image.Image:
    """Return what `decode` does, in luminance (`L`): the Y of a JPEG, whose colors are not even computed."""
    return _decode(data, "L", at_least_px)


def _decode(data: bytes, mode: str, at_least_px: int | None) -> Image.Image:
    if at_least_px is not None and at_least_px < 1:
        raise ValueError(f"at_least_px must be 1 or more, got {at_least_px}; say None for the full size")
    with Image.open(BytesIO(data)) as opened:
        if opened.has_transparency_data:
            raise ValueError(f"picture of mode {opened.mode} has transparency; flatten it on a background first")
        if at_least_px is not None and opened.format == "JPEG":
            is_tiny_part = min(opened.size) >= _MOST * at_least_px
            if is_tiny_part and opened.info.get("progressive"):
                return _of_means(data, mode, at_least_px)
            opened.draft(mode, (at_least_px, at_least_px))
        return opened.convert(mode)


def _of_means(data: bytes, mode: str, at_least_px: int) -> Image.Image:
    with Image.open(BytesIO(means_only(data, needs_color=mode != "L"))) as opened:
        opened.draft(mode, (at_least_px, at_least_px))
        return opened.convert(mode)
