"""A model leaves byline: a folder that diffusers loads by itself, with its card, its credits and its checksums."""
