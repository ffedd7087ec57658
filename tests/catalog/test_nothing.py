import pyarrow as pa
import pytest

from byline.catalog.nothing import is_nobody, is_nothing, is_nowhere, is_untitled, stated_records

EVERYWHERE = (
    *("nan", "NaN", "NAN", "NULL", "null", "None", "NONE", "n/a", "N/A", "N.A.", "NA", "#N/A", "<NA>", "(null)"),
    *("undefined", "-", "--", "\u2014", "?", "???", "...", "\u2026", "_", "\u200b", " ", "''", '""', "[]", "{}"),
    *("unknown", "Unknown", "UNKNOWN", "(unknown)", "[Unknown]", "unknown.", "\u201cUnknown\u201d", "not available"),
    *("unbekannt", "Inconnu", "desconocido", "Desconhecido", "sconosciuto", "onbekend", "ok\u00e4nd", "nieznany"),
    *("\u043d\u0435\u0438\u0437\u0432\u0435\u0441\u0442\u043d\u043e", "\u4e0d\u660e", "\u672a\u77e5", "\ubbf8\uc0c1"),
    *("\u063a\u064a\u0631 \u0645\u0639\u0631\u0648\u0641", "\uff35\uff4e\uff4b\uff4e\uff4f\uff57\uff4e"),
    *(
        "<br>",
        "<p></p>",
        "<p> <br/> </p>",
        "&nbsp;",
        "<span></span>",
        "<a href='https://a.example/x'></a>",
        "<!-- x -->",
    ),
    *("<span class='fn'>Unknown</span>", "<i>n/a</i>", "&lt;unknown&gt;"),
    *("&lt;br&gt;", "&lt;p&gt;&lt;/p&gt;", "&amp;nbsp;", "nan nan", "None, None", "N/A / N/A", "Unknown/unknown"),
    *("null null null", "Nicht bekannt", "NoneType", "none given", "non identifi\u00e9", "no disponible"),
)
OF_CREATORS = (
    *("[no name]", "no name", "noname", "Anonymous", "anonyme", "\u533f\u540d", "\u4f5a\u540d", "\u540d\u7121\u3057"),
    *("nobody", "Own work", "self", "Eigenes Werk", "kein Autor", "Nobody & nobody", "\u81ea\u5df1\u7684\u4f5c\u54c1"),
    *("Unknown author", "<a href='/wiki/x'>Unknown author</a>", "Author unknown", "Unbekannter Fotograf", "N.N."),
    *(
        "Auteur inconnu",
        "autor desconocido",
        "nil",
        "void",
        "keiner",
        "aucun",
        "\u7121",
        "Unknown artist",
        "uncredited",
    ),
    *(
        "\u043d\u0435\u0438\u0437\u0432\u0435\u0441\u0442\u043d\u044b\u0439 \u0430\u0432\u0442\u043e\u0440",
        "Artist Unknown",
    ),
)
OF_TITLES = (
    "Untitled, untitled",
    *("untitled", "Untitled", "[Untitled]", "No title", "ohne Titel", "Sans titre", "sin t\u00edtulo", "\u7121\u984c"),
    *("\u0431\u0435\u0437 \u043d\u0430\u0437\u0432\u0430\u043d\u0438\u044f", "no caption"),
)
NAMES = (
    *("Ada L.", "Christopher Null", "Nana", "None Such", "Jennifer Null", "Nan Goldin", "Na Hong-jin", "A. N. Other"),
    *(
        "\u2605",
        "X",
        "7",
        "O",
        "\u00d8",
        "Unknown Pleasures Ltd",
        "The Unknown Photographer's Guild",
        "nanook",
        "\u5f20\u4f1f",
    ),
    *("Duran Duran", "Nan Null", "&lt;Ada&gt;", "Boutros Boutros", "New New", "Self Portrait Studio"),
    *("anonymous_cat", "user 12", "Noname Studio", "Ignota", "<b>Ada</b>", "\U0001f431"),
)
TITLES = (
    *("Void", "The Nil", "Nil", "\u7121", "Anonymous", "Unknown soldier", "\u2665", "A", "4", "None of the above"),
    *("Portrait of an unknown man", "Empty", "<b>red</b>", "Blank", "C++"),
)


@pytest.mark.parametrize("text", [*EVERYWHERE, *OF_CREATORS])
def test_a_word_for_nothing_names_nobody(text):
    assert is_nobody(text)


@pytest.mark.parametrize("text", [*EVERYWHERE, *OF_TITLES])
def test_a_word_for_nothing_is_no_title(text):
    assert is_untitled(text)


@pytest.mark.parametrize("text", EVERYWHERE)
def test_a_word_for_nothing_says_nothing_of_any_field(text):
    assert is_nothing(text)


@pytest.mark.parametrize("text", NAMES)
def test_a_name_is_somebodys(text):
    assert not is_nobody(text)


@pytest.mark.parametrize("text", TITLES)
def test_a_title_says_something(text):
    assert not is_untitled(text)


@pytest.mark.parametrize(
    ("url", "nowhere"),
    [
        ("https://example.org/1", False),
        ("HTTP://example.org/1", False),
        ("held:scans/box%203/a.jpg", False),
        ("held:", True),
        ("held: ", True),
        ("nan", True),
        ("my own work", True),
        ("file:///home/ada/a.jpg", True),
        ("javascript:alert(1)", True),
        ("", True),
    ],
)
def test_a_source_is_a_page_or_a_file(url, nowhere):
    assert is_nowhere(url) is nowhere


def test_records_are_told_without_words_for_nothing():
    said = {
        "creator": ["nan", "Ada", None, "Nobody Else"],
        "creator_url": ["NULL", "https://a.example/", None, "mailto:ada@a.example"],
        "title": ["untitled", "nan", "Anonymous", ""],
        "landing_url": ["n/a", "https://a.example/1", "own work", None],
        "description": ["nan"] * 4,
    }
    assert stated_records(pa.table(said)).to_pydict() == {
        "creator": [None, "Ada", None, "Nobody Else"],
        "creator_url": [None, "https://a.example/", None, "mailto:ada@a.example"],
        "title": [None, None, "Anonymous", None],
        "landing_url": [None, "https://a.example/1", None, None],
        "description": ["nan"] * 4,
    }
