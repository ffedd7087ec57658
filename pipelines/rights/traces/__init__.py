"""What a corpus knows of a picture, found by what one may know of it. Loads no Beam."""
