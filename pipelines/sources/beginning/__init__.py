"""The beginning of a corpus: what lies at a path, and a config that builds it."""
