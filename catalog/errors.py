"""Every error that byline raises on purpose. Each message says what was wrong, the value, and what to do.

BylineError
├── ConfigError      a config file or an option that cannot be used
├── SourceError      source metadata that no reader can read
│   ├── ColumnError  it is not known which column is a field
│   └── HeaderError  a table of text has no header row
├── CorpusError      a corpus or release on disk that is damaged or does not fit the request
├── CheckpointError  a checkpoint that cannot be loaded or resumed
├── ServerError      a server that is down, or that does not answer as it should
├── ExtensionError   somebody's extension that does not load, or that fails at work
└── StorageError     a file or bucket that cannot be read or written

A bad *element* (one image, one row) is never an error: it becomes a row with an outcome.
"""

from collections.abc import Sequence


class BylineError(ValueError):
    """People's input cannot be used. The command line prints the message as one line and exits with 2."""


class ConfigError(BylineError):
    """A config file or an option cannot be used."""


class SourceError(BylineError):
    """Source metadata cannot be read at all."""


class ColumnError(SourceError):
    """It is not known which column of a table is a field: the config says so, or who begins one."""

    def __init__(self, what: str, field: str = "", name: str = "") -> None:
        """`name` is a column that may be it. Without a field the text is whole, as another process told it."""
        super().__init__(f'{what}; say which it is, as columns = {{ {field} = "{name}" }}' if field else what)
        self.what, self.field, self.name = what, field, name


class HeaderError(SourceError):
    """A table of text has no header row: the config names its columns, or who begins one."""

    def __init__(self, what: str, names: Sequence[str] = ()) -> None:
        """Say what is wrong. Of `names`, one for each column, unknown ones are `...`; without any the text is whole."""
        named = ", ".join(f'"{name}"' for name in names)
        super().__init__(f"{what}; say column_names = [{named}]" if names else what)
        self.what, self.names = what, tuple(names)


class CorpusError(BylineError):
    """A corpus or a release is damaged, or does not fit what was asked of it."""


class CheckpointError(BylineError):
    """A checkpoint cannot be loaded or resumed."""


class ServerError(BylineError):
    """A server that a build asks is down, or does not answer as it should."""


class ExtensionError(BylineError):
    """An extension does not load, or fails at its work."""


class StorageError(BylineError):
    """A file or an object cannot be read or written."""


class UnreachableError(StorageError):
    """The object store or the machine kept from reading or writing; what is stored may be whole."""
