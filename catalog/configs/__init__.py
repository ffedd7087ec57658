"""Configs as TOML, the places that they name, and what is installed beside byline."""
