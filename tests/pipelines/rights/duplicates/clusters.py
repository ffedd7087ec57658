"""Pictures in clusters, as the page of duplicates gets them."""

from byline.pipelines.rights.duplicates.collecting import Picture


def a_picture(**overrides) -> Picture:
    """Return a picture of a cluster that every test may change in one place."""
    fields = {
        "record_id": "test:1",
        "source": "test",
        "sha256": "a" * 64,
        "license": "CC-BY-4.0",
        "reasons": (),
        "url": "https://pictures.example/1.jpg",
        "landing_url": "https://pictures.example/1",
        "title": "Blobs",
        "creator": "Ada L.",
        "creator_url": "https://pictures.example/ada",
        "original_width": 1024,
        "original_height": 768,
        "sharpness": 812.0,
        "flatness": 0.1,
        "retrieved_at": None,
        "pixels": "c" * 64,
        "phash256": b"\x0f" * 32,
        "turned": None,
        "trimmed": None,
    }
    return Picture(**{**fields, **overrides})
