"""What the bytes of pictures are and state: formats, pixels, origin, use. Knows no network and no corpus."""
