"""Every error that byline raises on purpose. Each message says what was wrong, the value, and what to do.

BylineError
├── ConfigError      a config file or an option that cannot be used
├── SourceError      source metadata that no reader can read
├── CorpusError      a corpus or release on disk that is damaged or does not fit the request
├── CheckpointError  a checkpoint that cannot be loaded or resumed
├── ExtensionError   somebody's extension that does not load, or that fails at work
└── StorageError     a file or bucket that cannot be read or written

A bad *element* (one image, one row) is never an error: it becomes a row with an outcome.
"""


class BylineError(ValueError):
    """People's input cannot be used. The command line prints the message as one line and exits with 2."""


class ConfigError(BylineError):
    """A config file or an option cannot be used."""


class SourceError(BylineError):
    """Source metadata cannot be read at all."""


class CorpusError(BylineError):
    """A corpus or a release is damaged, or does not fit what was asked of it."""


class CheckpointError(BylineError):
    """A checkpoint cannot be loaded or resumed."""


class ExtensionError(BylineError):
    """An extension does not load, or fails at its work."""


class StorageError(BylineError):
    """A file or an object cannot be read or written."""
