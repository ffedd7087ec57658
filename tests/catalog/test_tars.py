import tarfile
from io import BytesIO

from byline.catalog.disk.tars import read_tar, write_tar

MEMBERS = [("b.jpg", b"x" * 700), ("a.txt", b""), ("c.json", b"{}")]


def _tar():
    sink = BytesIO()
    return sink, write_tar(sink, MEMBERS)


def test_places_are_where_the_bytes_lie():
    sink, places = _tar()
    data = sink.getvalue()
    assert [data[p.offset : p.offset + p.size] for p in places] == [content for _, content in MEMBERS]


def test_what_is_written_is_read_back_in_order():
    sink, _ = _tar()
    assert list(read_tar(BytesIO(sink.getvalue()))) == MEMBERS


def test_members_carry_nothing_of_the_machine():
    sink, _ = _tar()
    sink.seek(0)
    with tarfile.open(fileobj=sink) as archive:
        assert {(m.mtime, m.uid, m.gid, m.uname, m.mode) for m in archive} == {(0, 0, 0, "", 0o644)}
    assert sink.getvalue() == _tar()[0].getvalue()
