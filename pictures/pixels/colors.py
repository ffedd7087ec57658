"""From what a file stores to 8-bit samples, and from its color space to sRGB."""

import struct
from functools import lru_cache
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageCms

Pixels = np.ndarray[Any, np.dtype[Any]]
"""8 bits: HW grey, HW3 RGB or HW4 CMYK (255 is full ink)."""
WHITE, BLACK = 255, 0
LEAST_SPREAD = 16
"""Levels of 255. What differs by less in every channel is one tone to the eye: a picture of it has nothing in it."""
STRAY = 1e-3
"""A smaller share of the pixels that are not clear shows nothing of a picture."""
MAX_PROFILE_BYTES = 1 << 22
IGNORED = "color profile ignored"
SPACES = {2: ("GRAY", "L"), 3: ("RGB", "RGB"), 4: ("CMYK", "CMYK")}
"""Channels + 1 for grey: what a profile calls the space, and what Pillow calls it."""
CLASSES = {"scnr", "mntr", "prtr", "spac"}
SRGB_COLORANTS = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
CODES = np.linspace(0, 1, 33)
SRGB_LINEAR = np.where(CODES <= 0.04045, CODES / 12.92, ((CODES + 0.055) / 1.055) ** 2.4)


def on_ground(pixels_HW4: Pixels) -> Pixels:
    """Lay RGBA on white, rounded to the nearest level, as img2dataset does.

    Where white would leave nothing of it to be seen, as of a white logo, it is laid on black, if that leaves something.
    """
    alpha_HW = pixels_HW4[..., 3]
    laid = _laid_on(WHITE, pixels_HW4)
    if alpha_HW.min(initial=255) == 255 or _shows(laid, alpha_HW, WHITE):
        return laid
    on_black = _laid_on(BLACK, pixels_HW4)
    return on_black if _shows(on_black, alpha_HW, BLACK) else laid


def _laid_on(ground: int, pixels_HW4: Pixels) -> Pixels:
    alpha_HW = pixels_HW4[..., 3].astype(np.uint16)
    laid = np.empty((*alpha_HW.shape, 3), np.uint8)
    ground_HW = ground * (255 - alpha_HW) + 127
    for channel in range(3):  # one at a time: 16 bits of every channel would be twice the picture
        laid[..., channel] = (alpha_HW * pixels_HW4[..., channel] + ground_HW) // 255
    return laid


def _shows(laid_HW3: Pixels, alpha_HW: Pixels, ground: int) -> bool:
    """Tell whether a picture can be told from its ground: in more than stray pixels of it."""
    farthest_HW = laid_HW3.min(axis=2) if ground == WHITE else laid_HW3.max(axis=2)
    shown = farthest_HW <= WHITE - LEAST_SPREAD if ground == WHITE else farthest_HW >= LEAST_SPREAD
    return bool(np.count_nonzero(shown) > STRAY * np.count_nonzero(alpha_HW))


def to_8_bits(samples_HW: np.ndarray[Any, Any]) -> Pixels:
    """Scale grey of more than 8 bits; nothing is clipped that is a number and not negative.

    16 bits are divided by 257. Whole numbers beyond that, and fractions beyond 1, are divided by the largest.
    """
    if samples_HW.dtype == np.uint16:
        return np.asarray(((samples_HW.astype(np.uint32) + 128) // 257).astype(np.uint8))
    values_HW = np.nan_to_num(samples_HW.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    usual = 1.0 if samples_HW.dtype.kind == "f" else 65_535.0
    scale = 255.0 / max(usual, float(values_HW.max()))
    return np.asarray(np.rint(values_HW.clip(min=0) * scale).astype(np.uint8))


def to_srgb(pixels: Pixels, profile: bytes | None) -> tuple[Pixels, str | None]:
    """Return the picture in sRGB (HW3), and what is to be noted when the profile was of no use."""
    note = None
    if profile is not None:
        space, mode = SPACES[pixels.ndim if pixels.ndim == 2 else pixels.shape[2]]
        transform, note = _transform(profile, space, mode)
        if transform is not None:
            image = Image.fromarray(pixels) if mode != "CMYK" else _cmyk(pixels)
            try:
                return np.asarray(ImageCms.applyTransform(image, transform)), None
            except ImageCms.PyCMSError as error:
                note = f"{IGNORED}: {error}"
    if pixels.ndim == 2:
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB), note
    return (np.asarray(_cmyk(pixels).convert("RGB")) if pixels.shape[2] == 4 else pixels), note


def _cmyk(pixels_HW4: Pixels) -> Image.Image:
    height, width = pixels_HW4.shape[:2]
    return Image.frombytes("CMYK", (width, height), pixels_HW4.tobytes())


@lru_cache(maxsize=16)
def _transform(profile: bytes, space: str, mode: str) -> tuple[Any, str | None]:
    """Return Little CMS's way from a profile to sRGB, none when there is nothing to do; and what to note."""
    if not profile or len(profile) > MAX_PROFILE_BYTES:
        return None, f"{IGNORED}: {len(profile):,} bytes"
    try:
        if mode == "RGB" and is_srgb(profile):
            return None, None
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        profile_space, kind = source.profile.xcolor_space.strip(), source.profile.device_class.strip()
        if profile_space != space or kind not in CLASSES:
            return None, f"{IGNORED}: it is of class {kind!r} for {profile_space!r}, the picture is {space}"
        return ImageCms.buildTransform(source, _srgb(), mode, "RGB", ImageCms.Intent.PERCEPTUAL), None
    except Exception as error:  # hostile profiles make Little CMS say anything at all
        return None, f"{IGNORED}: {error}"


@lru_cache(maxsize=1)
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def is_srgb(profile: bytes) -> bool:
    """Tell whether a profile says what sRGB is: by its colorants and curves, whatever its name."""
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        rows = [struct.unpack_from(">4sII", profile, 132 + 12 * row) for row in range(min(count, 100))]
        tags = {name: profile[start : start + size] for name, start, size in rows}
        if b"A2B0" in tags or profile[16:20] != b"RGB ":
            return False
        for name, wanted in SRGB_COLORANTS.items():
            colorant = np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536
            if np.abs(colorant - wanted).max() > 0.002:
                return False
        return all(_is_srgb_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
    except (struct.error, KeyError):
        return False


def _is_srgb_curve(tag: bytes) -> bool:
    if tag[:4] == b"para" and struct.unpack_from(">H", tag, 8)[0] == 3:
        g, a, b, c, d = np.array(struct.unpack_from(">5i", tag, 12)) / 65536
        with np.errstate(all="ignore"):
            linear = np.where(d <= CODES, np.maximum(a * CODES + b, 0) ** g, c * CODES)
    elif tag[:4] == b"curv" and (count := struct.unpack_from(">I", tag, 8)[0]) > 32:
        points = np.frombuffer(tag[12 : 12 + 2 * count], ">u2") / 65535
        linear = np.interp(CODES, np.linspace(0, 1, len(points)), points)
    else:
        return False
    return bool(np.abs(linear - SRGB_LINEAR).max() < 5e-4)
