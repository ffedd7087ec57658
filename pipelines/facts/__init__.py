"""What is measured of pictures, kept as tables: hashes, quality, vectors, and the pairs that are near."""
