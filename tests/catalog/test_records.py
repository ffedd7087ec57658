import pytest

from byline.catalog.corpora.records import pack_of, records_table
from byline.catalog.text import one_line, plain_text
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


@pytest.mark.parametrize(
    "html",
    [
        '<span style="display:none">Q42</span>Ada',
        '<div class="vcard" style="color:red; DISPLAY : none!important">x<b>y</b></div>Ada',
        "<p hidden>x</p>Ada",
        '<i style="visibility: hidden">x</i>Ada',
        "<script>alert(1)</script><style>b{}</style><template>x</template><!-- x -->Ada",
    ],
)
def test_what_a_browser_would_not_show_is_no_text(html):
    assert plain_text(html) == "Ada"


def test_what_a_style_shows_is_text():
    assert plain_text('<span style="display:inline">Ada</span>') == "Ada"
