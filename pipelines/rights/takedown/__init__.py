"""Take a picture out of a corpus and of every release of it, provably, and keep it out."""
