"""What a build and the encoding of its pictures take on many workers, from what earlier ones took and a sample."""
