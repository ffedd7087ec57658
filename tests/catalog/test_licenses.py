import re
from pathlib import Path

import pytest

from byline.catalog.licenses.names import WHOLE_NAMES
from byline.catalog.licenses.reading import choices, family, has_version, license_url, read_claims, read_license
from byline.catalog.licenses.text import normalized

CC = "https://creativecommons.org"


def unescaped(text: str) -> str:
    """Undo the table's escapes: `\\uXXXX`, `\\n`, `\\t` and a doubled backslash."""
    plain = {"n": "\n", "t": "\t", "\\": "\\"}
    return re.sub(r"\\(u[0-9a-f]{4}|[nt\\])", lambda m: plain.get(m[1]) or chr(int(m[1][1:], 16)), text)


def load_table() -> list[tuple[str, str, str]]:
    """Return (field, text, SPDX id) of every row of `licenses.tsv`, whose first column says where the text is met."""
    header, *lines = (Path(__file__).parent / "licenses.tsv").read_text(encoding="utf-8").splitlines()
    assert header == "source\tfield\ttext\tspdx"
    return [(field, unescaped(text), spdx) for _, field, text, spdx in (line.split("\t") for line in lines)]


TABLE = load_table()


@pytest.mark.parametrize(("field", "text", "spdx"), TABLE)
def test_every_string_of_the_table(field, text, spdx):
    reading = read_claims([(field, text)])
    assert reading.spdx == spdx
    assert reading.rule
    assert reading.seen == ("" if spdx == "LicenseRef-missing" else f"{field}: {text}")


def test_the_table_is_large_and_says_nothing_twice():
    assert len(TABLE) >= 450
    assert len({(field, text) for field, text, _ in TABLE}) >= 0.95 * len(TABLE)


def test_a_text_that_is_too_long_is_unknown():
    assert read_license("CC BY 4.0 " + " " * 5000).spdx == "LicenseRef-unknown"


def test_no_two_known_names_are_one_and_none_holds_what_must_not_be_read():
    by_words: dict[str, set[str]] = {}
    for name, spdx in WHOLE_NAMES.items():
        by_words.setdefault(normalized(name), set()).add(spdx)
    assert not [words for words, spdx_ids in by_words.items() if len(spdx_ids) > 1 or not words or "?" in words]


def test_the_text_is_kept_as_it_was_seen():
    assert read_license(" <b>CC BY, but ask me</b>").seen == " <b>CC BY, but ask me</b>"


@pytest.mark.parametrize(
    ("texts", "spdx"),
    [
        ([], "LicenseRef-missing"),
        (["", " "], "LicenseRef-missing"),
        (["CC BY-SA 3.0", f"{CC}/licenses/by-sa/3.0/"], "CC-BY-SA-3.0"),
        (["CC BY-SA 3.0", ""], "CC-BY-SA-3.0"),
        (["Attribution License", f"{CC}/licenses/by/2.0/"], "CC-BY-2.0"),
        (["Attribution License", "CC BY"], "LicenseRef-CC-BY"),
        (["Public domain", "public-domain"], "LicenseRef-public-domain"),
        (["OGL 3", "http://www.nationalarchives.gov.uk/doc/open-government-licence/version/3"], "OGL-UK-3.0"),
        (["CC BY-SA 3.0", f"{CC}/licenses/by-sa/4.0/"], "LicenseRef-contradicted"),
        (["CC BY 3.0", f"{CC}/licenses/by/3.0/us/"], "LicenseRef-contradicted"),
        (["CC BY", f"{CC}/licenses/by-nc/2.0/"], "LicenseRef-contradicted"),
        (["CC BY", f"{CC}/licenses/by/2.0/", "CC BY 4.0"], "LicenseRef-contradicted"),
        (["CC-BY-SA 4.0", "GPL-3"], "LicenseRef-contradicted"),
        (["CC0", "Public domain"], "LicenseRef-contradicted"),
        (["Public domain", f"{CC}/publicdomain/mark/1.0/"], "LicenseRef-contradicted"),
        (["CC BY 4.0", "All rights reserved"], "LicenseRef-contradicted"),
        (["CC BY 4.0", "ask me first"], "LicenseRef-unknown"),
        (["CC BY 4.0", '<img src="/static/by-nc.png">'], "LicenseRef-unknown"),
        (["CC BY 4.0", "CC BY 3.0", "ask me first"], "LicenseRef-unknown"),
        (["ask me first", "ask him"], "LicenseRef-unknown"),
    ],
)
def test_claims_of_one_record(texts, spdx):
    claims = [(f"field{number}", text) for number, text in enumerate(texts)]
    assert read_claims(claims).spdx == spdx


def test_a_number_is_flickrs_only_in_flickrs_fields_and_must_agree_with_the_rest():
    assert read_claims([("license_id", "4"), ("license_url", f"{CC}/licenses/by/2.0/")]).spdx == "CC-BY-2.0"
    assert read_claims([("license_id", "4"), ("license_url", f"{CC}/licenses/by-nc/2.0/")]).spdx == (
        "LicenseRef-contradicted"
    )
    assert read_claims([("license", "4")]).spdx == "LicenseRef-unknown"
    assert read_license("4").spdx == "LicenseRef-unknown"


def test_contradicted_claims_are_all_kept():
    seen = read_claims([("LicenseShortName", "CC BY 2.0"), ("LicenseUrl", ""), ("Terms", "GPL")]).seen
    assert seen == "LicenseShortName: CC BY 2.0; Terms: GPL"


@pytest.mark.parametrize(
    ("spdx", "name"),
    [
        ("CC-BY-SA-3.0", "CC-BY-SA"),
        ("LicenseRef-CC-BY-SA", "CC-BY-SA"),
        ("LicenseRef-CC-BY-2.0-FR", "CC-BY"),
        ("CC-BY-NC-SA-3.0-IGO", "CC-BY-NC-SA"),
        ("CC0-1.0", "CC0"),
        ("CC-PDM-1.0", "CC-PDM"),
        ("LicenseRef-public-domain", "public-domain"),
        ("LicenseRef-public-domain-US", "public-domain-US"),
        ("LicenseRef-US-government", "US-government"),
        ("LicenseRef-all-rights-reserved", "all-rights-reserved"),
        ("LicenseRef-CC-Sampling-Plus-1.0", "CC-Sampling-Plus"),
        ("LicenseRef-unknown", "unknown"),
        ("OGL-UK-3.0", "OGL-UK"),
        ("LicenseRef-KOGL-BY-NC", "KOGL-BY-NC"),
        ("GPL-3.0-or-later", "GPL"),
        ("MIT", "MIT"),
        ("CC-BY-SA-3.0 OR LicenseRef-GFDL", "CC-BY-SA OR GFDL"),
        ("LGPL-2.1-only OR LGPL-3.0-only", "LGPL"),
    ],
)
def test_family(spdx, name):
    assert family(spdx) == name


@pytest.mark.parametrize(
    ("spdx", "settled"),
    [
        ("CC-BY-4.0", True),
        ("LicenseRef-CC-BY-2.0-FR", True),
        ("MIT", True),
        ("LicenseRef-public-domain", True),
        ("LicenseRef-CC-BY", False),
        ("LicenseRef-GPL", False),
        ("LicenseRef-OGL-UK", False),
        ("LicenseRef-unknown", False),
        ("LicenseRef-missing", False),
        ("LicenseRef-contradicted", False),
        ("CC-BY-SA-3.0 OR LicenseRef-GFDL", False),
    ],
)
def test_has_version(spdx, settled):
    assert has_version(spdx) is settled


@pytest.mark.parametrize(
    ("spdx", "url"),
    [
        ("CC-BY-SA-3.0", f"{CC}/licenses/by-sa/3.0/"),
        ("CC-BY-NC-ND-1.0", f"{CC}/licenses/by-nd-nc/1.0/"),
        ("LicenseRef-CC-BY-2.0-FR", f"{CC}/licenses/by/2.0/fr/"),
        ("CC0-1.0", f"{CC}/publicdomain/zero/1.0/"),
        ("CC-PDM-1.0", f"{CC}/publicdomain/mark/1.0/"),
        ("GPL-3.0-only", "https://spdx.org/licenses/GPL-3.0-only.html"),
        ("LicenseRef-CC-BY", None),
        ("LicenseRef-public-domain", None),
        ("CC-BY-SA-3.0 OR LicenseRef-GFDL", None),
    ],
)
def test_license_url(spdx, url):
    assert license_url(spdx) == url


def test_a_choice_lists_its_sides():
    assert choices("CC-BY-SA-3.0 OR LicenseRef-GFDL") == ("CC-BY-SA-3.0", "LicenseRef-GFDL")
