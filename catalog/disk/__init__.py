"""How bytes lie on a disk or an object store: complete files, tars, columns."""
