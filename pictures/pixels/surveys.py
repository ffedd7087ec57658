"""What the structure of a file says before a pixel of it is decoded."""

from dataclasses import dataclass

from byline.catalog.corpora.packs import Outcome


class UnusableError(Exception):
    """The bytes give no picture; `outcome` says why."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def damaged(message: str) -> UnusableError:
    """Return the error for a file that is cut off or contradicts itself."""
    return UnusableError(Outcome.DAMAGED, message)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A file whose parts are all there."""

    width: int
    """Width as stored, in pixels; `orientation` may turn it."""
    height: int
    picture: bytes
    """The bytes that a decoder is given: of formats whose metadata a decoder would unpack, without it."""
    end: int
    """Offset in the file at which the picture ends."""
    metadata: bytes = b""
    """The bytes inside the file in which text can hide."""
    orientation: int = 1
    """EXIF's orientation, 1 to 8."""
    profile: bytes | None = None
    """The ICC profile."""
    is_plain: bool = False
    """Whether it is a JPEG of 8 bits and three components."""
    note: str | None = None
    """What is odd about the file, and harmless only if its decoder has nothing to say."""

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height once it is turned."""
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)
