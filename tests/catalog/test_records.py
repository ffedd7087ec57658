from catalog.records import pack_of, records_table
from catalog.text import one_line, plain_text
from tests.builders import a_record


def test_only_the_id_decides_the_pack():
    names = [pack_of(f"s:{i}", source="s", num_packs=7) for i in range(500)]
    assert names == [pack_of(f"s:{i}", source="s", num_packs=7) for i in range(500)]
    assert {name: names.count(name) for name in set(names)}.keys() == {f"s-0000{i}" for i in range(7)}
    assert min(names.count(name) for name in set(names)) > 40


def test_records_are_sorted_whatever_order_they_come_in():
    records = [a_record(id=str(i)) for i in range(20)]
    assert records_table(records, num_packs=3).equals(records_table(records[::-1], num_packs=3))


def test_text_from_outside_becomes_one_clean_line():
    assert one_line("\u202eevil\u202c \ud83d a\u200db") == "evil a\u200db"
    assert one_line("a\x00b\n\u2028c\t d") == "a b c d"
    assert plain_text('<a href="x">Ada &amp; Bob</a><br>和平') == "Ada & Bob 和平"
