"""What the bytes of a picture say of its use and origin, before a pixel is decoded."""

from byline.pictures.stated.signals import embedded_signals

__all__ = ["embedded_signals"]
