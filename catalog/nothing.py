"""Words for nothing: what tools, archives and people write where there is no creator and no title.

A text says nothing when all of it is such a word, in any case, with or without brackets, quotes and final stops, or has
neither letter, digit nor symbol, or is markup around nothing, once more escaped too. The same word several times
("nan nan", of a first and a last name that were joined) says no more than it does once.

One word more and it says something: "None" is nobody, "Christopher None" is somebody. So a person who is called by one
of these words alone is not credited by it, and the picture is refused rather than shipped as the work of `nan`; a first
name, or an account's name beside it, mends that.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from html import unescape

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.text import plain_text

MAX_CHARACTERS = 400
"""A longer text says something if any of its characters does."""
HELD = "held:"
"""What the URL of a picture of one's own begins with: its path below the folder of its source follows, quoted."""
_LIKE_WORDS = 60
"""Longest text, without markup, that is compared with the words for nothing, in characters."""

_OF_TOOLS = r"""nan|null|none|na|n/a|n.a|<na>|#n/a|#n/a n/a|#na|-nan|1.#ind|1.#qnan|#value!|#ref!|#name?|#null!
    |undefined|nonetype|none given|none provided|none available|none stated|not available|not applicable|not provided
    |not specified|not stated|not given|not set|not known
    |not recorded|not named|unspecified|no data|no value|no information|no info|[object object]"""
_OF_FORMS = r"""nil|nat|n/d|n.d|void|empty|blank|missing|false|string|default|placeholder|tbd|tba|tbc|todo|unset
    |author|creator|artist|photographer|username|user name|your name|name|无|無|なし|없음|keine|keiner|kein|aucun
    |aucune|ninguno|ninguna|nenhum|nenhuma|nessuno|nessuna|geen|ingen|brak|żaden|нет|немає|žádný|semmi|yok"""
"""No names, and may well be titles."""
_UNKNOWN = r"""unknown|unkown|unknow|unknwon|unk|not identified|unidentified|unbekannt|unbekannte|unbekannter
    |nicht bekannt|nicht angegeben|nicht verfügbar|non connu|non identifié|non identifiée|non disponible|no disponible
    |no conocido|no identificado|no identificada|não disponível|não identificado|não identificada|non identificato
    |non noto|niet bekend|niet beschikbaar|nie podano|nie ustalono|nieustalony|nezjištěn|nezjištěno|belirtilmemiş
    |неустановлен|не установлен|не известен|не известно|詳細不明|불명
    |inconnu|inconnue|desconocido|desconocida|desconhecido|desconhecida|desconegut|ezezaguna|descoñecido|sconosciuto
    |sconosciuta|ignoto|onbekend|okänd|okänt|ukjent|ukendt|óþekkt|tuntematon|teadmata|tundmatu|nezināms|nežinomas
    |nieznany|nieznana|neznámý|neznámá|neznámy|neznan|nepoznat|nepoznato|непознат|непознато|ismeretlen|necunoscut
    |неизвестно|неизвестен|неизвестный|неизвестная|невідомо|невідомий|невядомы|άγνωστος|άγνωστο|bilinmiyor
    |bilinmeyen|naməlum|غير معروف|مجهول|نامعلوم|ناشناس|לא ידוע|अज्ञात|অজানা|தெரியாத|ไม่ทราบ|không rõ|không biết
    |tidak diketahui|tidak dikenal|haijulikani|不明|未知|未詳|不詳|不详|佚名|미상|알 수 없음|알수없음|keine angabe
    |keine angaben|k. a|k.a|o. a|ohne angabe|non renseigné|non précisé|non spécifié|sin especificar|no especificado
    |sin datos|não informado|não especificado|non specificato|niet opgegeven|нет данных|не указано|не указан
    |brak danych|nincs adat|bilgi yok"""
_NO_NAME = r"""nobody|no one|self|myself|own work|eigenes werk|selbst|travail personnel|œuvre personnelle|trabajo propio
    |obra propia|obra do próprio|opera propria|eigen werk|eget arbete|praca własna|vlastní dílo|собственная работа
    |власна робота|投稿者自身による作品|自己的作品|自己
    |no name|noname|no-name|no_name|name unknown|nameless|unnamed|anonymous|anon
    |anonymus|anonym|anonyme
    |anónimo|anónima|anônimo|anonimo|anonima|anònim|anoniem|anonymt|anonimowy|anonim|anonymní|anonimno|аноним
    |анонимно|анонім|ανώνυμος|אנונימי|匿名|名無し|名無しさん|無名|无名|무명|익명|ẩn danh|ohne name|ohne namen
    |namenlos|sans nom|sin nombre|sem nome|senza nome|zonder naam|geen naam|uten navn|utan namn|uden navn|bez nazwy
    |bez nazwiska|bez imienia|без имени|без імені|n.n|n.n.|n. n|nomen nescio|s.n|s. n|sine nomine|unknown author
    |author unknown|unknown artist|artist unknown|unknown photographer|photographer unknown|unknown creator
    |creator unknown|unknown user|unknown maker|maker unknown|unknown source|source unknown|unknown person|no author
    |no author given|no creator|no artist|no photographer|author not known|author not stated|not credited|uncredited
    |kein autor|pas d'auteur|sans auteur|sin autor|sem autor|senza autore
    |zonder auteur|bez autora|без автора|作者なし|unattributed|no attribution|anonymous author|anonymous artist
    |anonymous photographer|unknown or not provided
    |unknown, unknown|unknown unknown|anonymous user|deleted user|deleted account|former member|unbekannter autor
    |unbekannter künstler|unbekannter fotograf|fotograf unbekannt|autor unbekannt|urheber unbekannt
    |künstler unbekannt|auteur inconnu|artiste inconnu|photographe inconnu|autor desconocido|fotógrafo desconocido
    |artista desconocido|autor desconhecido|fotógrafo desconhecido|autore sconosciuto|autore ignoto
    |fotografo sconosciuto|auteur onbekend|onbekende auteur|fotograaf onbekend|onbekende fotograaf
    |kunstenaar onbekend|okänd fotograf|fotograf okänd|okänd konstnär|ukjent fotograf|fotograf ukjent
    |ukendt fotograf|ukendt kunstner|tuntematon kuvaaja|tuntematon tekijä|autor nieznany|nieznany autor
    |fotograf nieznany|neznámý autor|autor neznámý|ismeretlen szerző|ismeretlen fényképész|autor necunoscut
    |неизвестный автор|автор неизвестен|неизвестный фотограф|неизвестный художник|невідомий автор|невідомий художник
    |άγνωστος δημιουργός|bilinmeyen sanatçı|مؤلف غير معروف|مجهول المؤلف|作者不明|作者不詳|作者不详|作者未知
    |撮影者不明|未知作者|작가 미상|작자 미상"""
_NO_TITLE = r"""untitled|no title|notitle|title|title unknown|unknown title|without title|no caption|no description
    |caption|description|no name|noname|unnamed|ohne titel|kein titel|o. t|o.t|sans titre|sin título|sin titulo
    |sem título|sem titulo|senza titolo|sense títol|zonder titel|geen titel|utan titel|uten tittel|uden titel
    |nimetön|bez tytułu|bez názvu|bez naslova|без названия|без назви|без назва|без заглавие|χωρίς τίτλο|başlıksız
    |isimsiz|بدون عنوان|بلا عنوان|ללא כותרת|無題|无题|無標題|无标题|タイトルなし|무제|제목 없음|không đề
    |không có tiêu đề|tanpa judul"""
_AROUND = " \t\r\n\"'`´‘’‚‛“”„‟«»‹›()[]{}<>【】「」『』（）［］〈〉《》.,;:!?…。、，；：！？*_~|/\\-‐‑‒–—―·•="
_NOT_SAID = frozenset("PZCM")
"""First letters of the Unicode categories of characters that say nothing by themselves."""


_BETWEEN_WORDS = (re.compile(r"[\s,;|&+]+"), re.compile(r"[\s,;|&+/]+"))
"""What stands between the words of "n/a, n/a", and of "unknown/unknown"."""
_TAGS = re.compile(r"(?:\s|</?(?:a|b|br|div|em|font|i|p|small|span|strong|u)(?:\s[^<>]*|/)?>)+", re.IGNORECASE)
"""Markup around nothing that is left when a text was escaped twice. "<Ada>" is a name."""


def _folded(text: str) -> str:
    """Return a text in lower case, without what may stand around a word and does not change it."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_AROUND)


def _words(*lists: str) -> frozenset[str]:
    words = (word.strip() for words in lists for word in words.split("|"))
    return frozenset(_folded(word) for word in words) - {""}


_NOBODY = _words(_OF_TOOLS, _OF_FORMS, _UNKNOWN, _NO_NAME)
_UNTITLED = _words(_OF_TOOLS, _UNKNOWN, _NO_TITLE)
_NOTHING = _words(_OF_TOOLS, _UNKNOWN)


def is_nobody(text: str) -> bool:
    """Tell whether a creator's name names nobody."""
    return _is_one_of(text, _NOBODY)


def is_untitled(text: str) -> bool:
    """Tell whether a title, or a tag, says nothing of a picture."""
    return _is_one_of(text, _UNTITLED)


def is_nothing(text: str) -> bool:
    """Tell whether a text of any field says nothing."""
    return _is_one_of(text, _NOTHING)


def is_no_page(text: str) -> bool:
    """Tell whether no reader can open this as a page: only http(s) is opened."""
    return not text.strip().lower().startswith(("http://", "https://"))


def is_nowhere(url: str) -> bool:
    """Tell whether no reader can find what this names: neither a page nor a file of a source's folder (`held:`)."""
    return is_no_page(url) and not (url.startswith(HELD) and url.removeprefix(HELD).strip())


@lru_cache(maxsize=1 << 16)
def _is_one_of(text: str, words: frozenset[str]) -> bool:
    if len(text) > MAX_CHARACTERS:
        return not any(map(_says, text))
    plain = plain_text(text) if "<" in text or "&" in text else text
    if len(plain) > _LIKE_WORDS:
        return False
    folded = _folded(plain)
    if not any(map(_says, folded)) or _TAGS.fullmatch(unescape(plain)):
        return True
    if folded in words or _folded(text) in words:
        return True
    return any(_is_repeated(folded, between, words) for between in _BETWEEN_WORDS)


def _is_repeated(folded: str, between: re.Pattern[str], words: frozenset[str]) -> bool:
    word = ""
    for part in map(_folded, between.split(folded)):
        if part and (part not in words or word not in ("", part)):
            return False  # as nearly all texts with their first word
        word = word or part
    return bool(word)


def _says(character: str) -> bool:
    return character.isalnum() or unicodedata.category(character)[0] not in _NOT_SAID


STATED: Mapping[str, Callable[[str], bool]] = {
    "creator": is_nobody,
    "creator_url": is_nothing,
    "title": is_untitled,
    "landing_url": is_no_page,
}
"""Column of records -> what tells which of its texts say nothing."""


def stated_records(records: pa.Table) -> pa.Table:
    """Return records with null where a column of `STATED` says nothing; the rest as it is."""
    for name in STATED:
        if name in records.column_names:
            index = records.column_names.index(name)
            records = records.set_column(index, name, stated(records[name], STATED[name]))
    return records


def stated(column: pa.ChunkedArray, says_nothing: Callable[[str], bool]) -> pa.ChunkedArray:
    """Return a column of text with null for each text that says nothing. Each distinct text is looked at once."""
    distinct = pc.unique(column)
    empty = [text for text in distinct.to_pylist() if text is not None and says_nothing(text)]
    if not empty:
        return column
    return pc.if_else(pc.is_in(column, value_set=pa.array(empty, column.type)), pa.scalar(None, column.type), column)
