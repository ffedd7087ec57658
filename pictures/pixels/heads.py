"""What a file says of its picture without being whole: size, turn, profile, EXIF and IPTC."""

from dataclasses import dataclass

from byline.pictures.pixels.directories import Directory, orientation_of


@dataclass(frozen=True, kw_only=True)
class Head:
    """What stands before the pixels, or beside them."""

    width: int
    """Width as stored, in pixels; the orientation may turn it."""
    height: int
    tags: Directory | None = None
    """Tags of EXIF, or a TIFF's own; None where there are none, or they cannot be read."""
    has_exif: bool = False
    tags_in_text: Directory | None = None
    """EXIF as ImageMagick writes it into a PNG's text. It turns no picture."""
    profile: bytes | None = None
    """The ICC profile."""
    iptc: bytes = b""
    """The data sets of IPTC-IIM."""

    @property
    def orientation(self) -> int:
        """EXIF's, 1 to 8."""
        return orientation_of(self.tags)
