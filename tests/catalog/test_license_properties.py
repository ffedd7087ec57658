"""What holds for every text: nothing that names NC or ND, or that is not wholly understood, is ever admitted."""

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byline.catalog.configs.loading import load_config
from byline.catalog.licenses.names import PORTS, TOOL_PAGES, UNPORTED
from byline.catalog.licenses.reading import choices, license_url, read_claims, read_license
from byline.catalog.policies.policy import Policy
from byline.catalog.policies.rules import license_reasons

CC = "https://creativecommons.org"
COMMERCIAL = load_config(Path(__file__).parents[2] / "configs/policies/commercial.toml", Policy).license


def is_admitted(*texts: str) -> bool:
    """Tell whether the commercial policy admits a record that makes these claims."""
    reading = read_claims([(f"field{number}", text) for number, text in enumerate(texts)])
    return not license_reasons(reading.spdx, COMMERCIAL)


def cc_ids() -> list[str]:
    """Return the id of every Creative Commons license and tool of the reader: all codes, versions and ports."""
    codes = ["BY", "BY-SA", "BY-NC", "BY-ND", "BY-NC-SA", "BY-NC-ND"]
    names = [f"CC-{code}-{version}" for code, version in product(codes, UNPORTED)]
    ported = [
        f"CC-{code}-{version}-{port}"
        for code, (version, ports) in product(codes, PORTS.items())
        for port in ports.upper().split()
    ]
    return [*names, *ported, "CC-SA-1.0", "CC-NC-1.0", "CC-ND-1.0", "CC-NC-SA-1.0", "CC-NC-ND-1.0", *TOOL_PAGES]


CC_IDS = [read_license(name).spdx for name in cc_ids()]
PLAIN_IDS = [spdx for spdx in CC_IDS if not spdx.startswith("LicenseRef-")]
FREE = [spdx for spdx in CC_IDS if is_admitted(spdx)]
FREE_TEXTS = [
    *FREE[:14], "CC BY 4.0", "CC BY-SA 3.0", "CC0", "cc by 2.0", "Public Domain Mark", "Public domain",
    "Attribution 4.0 International", "Creative Commons Attribution-ShareAlike 4.0 International License",
    f"{CC}/licenses/by/4.0/", f"{CC}/licenses/by-sa/3.0/de/", f"{CC}/publicdomain/zero/1.0/",
    f'<a rel="license" href="{CC}/licenses/by/4.0/">CC BY 4.0</a>', "GFDL or CC-BY-SA-3.0", "CC BY-SA 3.0,2.5,2.0,1.0",
]  # fmt: skip


def any_case(text: str) -> st.SearchStrategy[str]:
    return st.tuples(*(st.sampled_from([c.lower(), c.upper()]) for c in text)).map("".join)


GAP = st.sampled_from(
    ["-", " ", "", "_", "\u2010", "\u2011", "\u2013", "\u00a0", "\u2003", "\u200b", "\u00ad", "&#45;", "\n"]
)
ELEMENT = st.one_of(
    st.sampled_from(["nc", "nd"]).flatmap(any_case),
    st.tuples(any_case("non"), GAP, any_case("commercial")).map("".join),
    st.tuples(any_case("no"), GAP, st.sampled_from(["derivs", "derivatives", "Derivative Works"])).map("".join),
    st.sampled_from(["ＮＣ", "Ｎｏｎ-Ｃｏｍｍｅｒｃｉａｌ", "&#110;&#99;", "𝐍𝐃"]),
)  # fmt: skip
MENTION = st.one_of(
    ELEMENT,
    st.tuples(st.sampled_from(["by", "CC BY", "cc-by", "BY-SA", "Attribution"]), GAP, ELEMENT).map("".join),
    st.tuples(ELEMENT, GAP, st.sampled_from(["SA", "4.0", "sa-3.0", "ShareAlike"])).map("".join),
    st.sampled_from(["by-nc", "by-nd", "by-nc-sa", "by-nc-nd", "by-nd-nc"]).map(
        lambda code: f"{CC}/licenses/{code}/4.0/"
    ),
    ELEMENT.map(lambda element: f'<a href="{CC}/licenses/by-{element}/4.0/">CC BY 4.0</a>'),
    ELEMENT.map(lambda element: f'<img alt="{element}" src="b.png">'),
    ELEMENT.map(lambda element: f'<a title="CC BY {element}" href="{CC}/licenses/by/4.0/">CC BY 4.0</a>'),
    ELEMENT.map(lambda element: f'<span class="{element}">CC BY 4.0</span>'),
    ELEMENT.map(lambda element: f"<{element}>"),
    ELEMENT.map(lambda element: f"<!-- {element} -->"),
    ELEMENT.map(lambda element: f"{CC}/licenses/by/4.0/#{element}"),
    ELEMENT.map(lambda element: f"{CC}/licenses/by/4.0/?ref={element}"),
    st.sampled_from(
        ["Nicht-kommerziell", "Pas d’Utilisation Commerciale", "NoComercial", "GeenAfgeleideWerken", "KOGL Type 2"]
    ),
    st.sampled_from(["Namensnennung - Keine Bearbeitung 3.0 Deutschland", "Attribution - Pas de Modification 4.0"]),
    st.sampled_from(["anoncommercialone", "xNonCommercialUse", "NoDerivativesPlease"]),
)
FRAGMENT = st.sampled_from([
    *FREE_TEXTS, "CC", "BY", "by-sa", "SA", "Attribution", "License", "4.0", "3.0", "2", "1", "Unported", "(", ")", "[",
    "/", "or", "and", ",", "-", "|", "&", "public domain", "PDM", "Creative Commons", "deed", "US", "no", "in", "the",
    "<b>", "</b>", "</a>", "<s>", "</s>", "<img>", "dual", "GFDL", "GPL-3", "all rights reserved", "?", "…", "v4",
    "&nbsp;",
])  # fmt: skip
JOIN = st.sampled_from([" ", "-", ", ", "", "\n", "\u00a0", " / ", " or ", "; "])


@pytest.mark.slow
@settings(max_examples=1500, deadline=None)
@given(st.lists(FRAGMENT, max_size=4), MENTION, st.lists(FRAGMENT, max_size=4), JOIN)
def test_nothing_that_names_nc_or_nd_is_admitted(before, mention, after, join):
    assert not is_admitted(join.join([*before, mention, *after]))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(FREE_TEXTS), max_size=2), MENTION, st.integers(0, 2))
def test_no_claim_beside_one_that_names_nc_or_nd_is_admitted(others, mention, place):
    assert not is_admitted(*others[:place], mention, *others[place:])


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(st.lists(FRAGMENT | MENTION | st.text(max_size=4), max_size=8).map("".join) | st.text(), st.text(max_size=12))
def test_any_text_reads_as_an_id_and_is_kept(text, field):
    reading = read_license(text)
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", choice) for choice in choices(reading.spdx))
    assert reading.rule
    assert reading.seen == text
    read_claims([(field, text), ("license_id", text)])


# With a q in the middle it is no element, port, name or filler.
STRANGE_WORD = st.text("abcdefghijklmnopqrstuvwxyzäéñ", min_size=2, max_size=8).map(lambda word: f"{word}q{word}")
SYMBOL = st.sampled_from([*"?!*+#%$€^~<>=@\\±≠❌✗†‡", "…", "...", "\u0336", "\u20e0", "¹", "②", "½"])


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(FREE_TEXTS), STRANGE_WORD | SYMBOL, st.booleans())
def test_a_license_beside_an_unknown_word_is_unknown(text, word, is_first):
    assert read_license(f"{word} {text}" if is_first else f"{text} {word}").spdx == "LicenseRef-unknown"


CONDITIONS = [
    "no AI training", "not for machine learning", "except the logo", "for personal use", "with permission only",
    "please ask first", "but credit must be large", "thumbnails only", "all other rights reserved", "until 2030",
    "if you send me a copy", "editorial use only", "unless noted otherwise", "excluding commercial training",
    "after registration", "within the EU", "low resolution only", "and my own terms", "minus section 3", "not really",
    "subject to terms", "text and data mining reserved", "see terms at https://example.com/terms", "*",
    "(conditions apply)",
]  # fmt: skip
BRIDGES = st.sampled_from(
    [" ", ", ", ". ", "; ", " (", " - ", "\n", " + ", " <br>", " / ", " or ", ": ", " <p>", "&nbsp;"]
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(FREE_TEXTS), BRIDGES, st.sampled_from(CONDITIONS), st.booleans())
def test_a_license_with_any_added_condition_is_unknown(text, bridge, condition, is_first):
    joined = f"{condition}{bridge}{text}" if is_first else f"{text}{bridge}{condition}"
    assert read_license(joined).spdx == "LicenseRef-unknown"


@pytest.mark.parametrize("tag", ["s", "del", "strike", "template", "script", "style", "title", "no", "ai", "q", "sup"])
@pytest.mark.parametrize("text", ["CC BY 4.0", "CC0", "Public domain", f"{CC}/licenses/by/4.0/"])
def test_a_license_inside_markup_that_may_unsay_it_is_unknown(tag, text):
    assert read_license(f"<{tag}>{text}</{tag}>").spdx == "LicenseRef-unknown"


LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=8)
HOST = st.one_of(
    st.tuples(st.just("creativecommons.org."), LABEL).map("".join),
    st.tuples(LABEL, st.sampled_from(["-", "."]), st.just("creativecommons.org")).map("".join).filter(
        lambda host: host != "www.creativecommons.org"
    ),
    st.tuples(
        st.just("creativecommons.org"), st.sampled_from(["@", ":80@", ":", "%2e", "%40", "\\@", "。", ".", "_"]), LABEL
    ).map("".join),
    st.integers(0, 18).map(lambda at: "creativecommons.org"[:at] + "creativecommons.org"[at + 1 :]),
    st.tuples(st.integers(0, 18), st.sampled_from("аеосіꮯ0lı．-")).map(
        lambda hit: "creativecommons.org"[: hit[0]] + hit[1] + "creativecommons.org"[hit[0] + 1 :]
    ),
)  # fmt: skip
SCHEME = st.sampled_from(["https://", "http://", "//", "HTTPS://", "", "https://www.", "ftp://"])
PAGE = st.sampled_from(
    ["/licenses/by/4.0/", "/publicdomain/zero/1.0/", "/licenses/by-sa/3.0/deed.en", "/publicdomain/mark/1.0/"]
)


@settings(max_examples=800, deadline=None)
@given(SCHEME, HOST, PAGE, st.sampled_from(["{}", '<a href="{}">CC BY 4.0</a>', "CC BY 4.0 {}", "<{}>"]))
def test_no_look_alike_of_a_host_is_creative_commons(scheme, host, page, frame):
    assert read_license(frame.format(scheme + host + page)).spdx == "LicenseRef-unknown"


@pytest.mark.parametrize("spdx", CC_IDS)
def test_ids_read_back_and_so_do_the_deeds_that_credits_link_to(spdx):
    url = license_url(spdx)
    assert read_license(spdx).spdx == spdx
    assert url is not None
    assert read_license(url).spdx == spdx


@pytest.mark.parametrize("spdx", PLAIN_IDS)
def test_a_cc_id_is_admitted_exactly_when_it_has_neither_nc_nor_nd(spdx):
    is_free = not re.search("-N[CD]", spdx) and spdx not in ("CC-SA-1.0", "CC-PDDC")
    assert is_admitted(spdx) is is_free
