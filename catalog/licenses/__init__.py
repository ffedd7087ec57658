"""What a source says of a license, read as an SPDX id or not at all."""
