import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.licenses import choices, family, has_version, license_url, read_claims, read_license

CC = "https://creativecommons.org"

NAMES = [
    # Commons, Debian and Openverse spellings
    ("CC BY 2.0", "CC-BY-2.0"),
    ("CC BY-SA 3.0", "CC-BY-SA-3.0"),
    ("CC BY-SA 3.0 de", "CC-BY-SA-3.0-DE"),
    ("CC BY-SA 2.0 fr", "LicenseRef-CC-BY-SA-2.0-FR"),
    ("CC BY-SA 2.1 jp", "CC-BY-SA-2.1-JP"),
    ("CC BY-SA 2.5", "CC-BY-SA-2.5"),
    ("CC BY-SA 1.0", "CC-BY-SA-1.0"),
    ("CC SA 1.0", "CC-SA-1.0"),
    ("CC-BY-SA", "LicenseRef-CC-BY-SA"),
    ("CC-BY-SA 4.0", "CC-BY-SA-4.0"),
    ("CC-BY-SA-4.0", "CC-BY-SA-4.0"),
    ("CC-BY 3.0", "CC-BY-3.0"),
    ("CC-BY-2.0", "CC-BY-2.0"),
    ("cc by sa 3.0", "CC-BY-SA-3.0"),
    ("cc-by-sa", "LicenseRef-CC-BY-SA"),
    ("cc-by-sa-3.0-igo", "CC-BY-SA-3.0-IGO"),
    ("cc_by_4.0", "CC-BY-4.0"),
    ("ccbysa", "LicenseRef-CC-BY-SA"),
    ("CCBY4.0", "CC-BY-4.0"),
    ("CC-BY v4.0", "CC-BY-4.0"),
    ("CC BY 4", "CC-BY-4.0"),
    ("CC BY\u2011SA\u00a04.0", "CC-BY-SA-4.0"),
    ("\uff23\uff23 \uff22\uff39 4.0", "CC-BY-4.0"),
    ("CC-BY-NC-SA", "LicenseRef-CC-BY-NC-SA"),
    ("CC BY-NC-ND 4.0", "CC-BY-NC-ND-4.0"),
    ("CC BY-ND-NC 1.0", "CC-BY-NC-ND-1.0"),
    ("CC BY-ND 2.0", "CC-BY-ND-2.0"),
    ("by", "LicenseRef-CC-BY"),
    ("by 2.0", "CC-BY-2.0"),
    ("by-sa", "LicenseRef-CC-BY-SA"),
    ("by-sa 4.0", "CC-BY-SA-4.0"),
    ("by-nc-nd 2.0", "CC-BY-NC-ND-2.0"),
    ("cc0 1.0", "CC0-1.0"),
    ("pdm 1.0", "CC-PDM-1.0"),
    ("sa 1.0", "CC-SA-1.0"),
    ("nc-sa 1.0", "LicenseRef-CC-NC-SA-1.0"),
    ("SPDX-License-Identifier: CC-BY-4.0", "CC-BY-4.0"),
    # Creative Commons' own and Flickr's names
    ("Attribution License", "LicenseRef-CC-BY"),
    ("Attribution-ShareAlike License", "LicenseRef-CC-BY-SA"),
    ("Attribution-NoDerivs License", "LicenseRef-CC-BY-ND"),
    ("Attribution-NonCommercial License", "LicenseRef-CC-BY-NC"),
    ("Attribution-NonCommercial-ShareAlike License", "LicenseRef-CC-BY-NC-SA"),
    ("Attribution-NonCommercial-NoDerivs License", "LicenseRef-CC-BY-NC-ND"),
    ("This work is licensed under the Attribution License.", "LicenseRef-CC-BY"),
    ("Attribution 4.0 International", "CC-BY-4.0"),
    ("Attribution 4.0 International (CC BY 4.0)", "CC-BY-4.0"),
    ("Attribution-ShareAlike 3.0 Unported (CC BY-SA 3.0)", "CC-BY-SA-3.0"),
    ("Attribution-Share Alike 3.0 United States", "LicenseRef-CC-BY-SA-3.0-US"),
    ("Attribution-NonCommercial-NoDerivatives 4.0 International", "CC-BY-NC-ND-4.0"),
    ("Attribution-No Derivative Works 3.0 Unported", "CC-BY-ND-3.0"),
    ("Creative Commons Attribution 2.0 Generic", "CC-BY-2.0"),
    ("Creative Commons Attribution-Share Alike 3.0 Unported", "CC-BY-SA-3.0"),
    ("Creative Commons Attribution-ShareAlike 4.0 International Public License", "CC-BY-SA-4.0"),
    ("under a Creative Commons Attribution 3.0 Unported License.", "CC-BY-3.0"),
    ("Creative Commons Attribution License", "LicenseRef-CC-BY"),
    ("Deed - Attribution 4.0 International - Creative Commons", "CC-BY-4.0"),
    # Public domain
    ("CC0", "CC0-1.0"),
    ("CC0-1.0", "CC0-1.0"),
    ("CC-0", "CC0-1.0"),
    ("CC Zero", "CC0-1.0"),
    ("CC0: Public Domain", "CC0-1.0"),
    ("Creative Commons 0 License", "CC0-1.0"),
    ("Creative Commons Zero, Public Domain Dedication", "CC0-1.0"),
    ("Public Domain Dedication (CC0)", "CC0-1.0"),
    ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
    ("PDM", "CC-PDM-1.0"),
    ("Public Domain Mark", "CC-PDM-1.0"),
    ("Public Domain Mark 1.0", "CC-PDM-1.0"),
    ("Public domain", "LicenseRef-public-domain"),
    ("Public Domain", "LicenseRef-public-domain"),
    ("public-domain", "LicenseRef-public-domain"),
    ("PD", "LicenseRef-public-domain"),
    ("No known copyright restrictions", "LicenseRef-no-known-restrictions"),
    ("No known restrictions", "LicenseRef-no-known-restrictions"),
    ("United States Government Work", "LicenseRef-US-government"),
    ("U.S. Government work", "LicenseRef-US-government"),
    ("PD-USGov", "LicenseRef-US-government"),
    ("All Rights Reserved", "LicenseRef-all-rights-reserved"),
    ("\u00a9 All rights reserved.", "LicenseRef-all-rights-reserved"),
    # Other licenses
    ("GPL", "LicenseRef-GPL"),
    ("GPLv3", "GPL-3.0-only"),
    ("GPL-3", "GPL-3.0-only"),
    ("GPL-2+", "GPL-2.0-or-later"),
    ("GPLv2+", "GPL-2.0-or-later"),
    ("GPLv3 or later", "GPL-3.0-or-later"),
    ("GPL-3.0-or-later", "GPL-3.0-or-later"),
    ("GNU General Public License, version 2 or any later version", "GPL-2.0-or-later"),
    ("GNU Lesser General Public License v2.1", "LGPL-2.1-only"),
    ("AGPL-3.0-only", "AGPL-3.0-only"),
    ("GFDL", "LicenseRef-GFDL"),
    ("GFDL 1.2", "GFDL-1.2-only"),
    ("GFDL-NIV-1.2", "GFDL-1.2-no-invariants-only"),
    ("GFDL-NIV-1.2+", "GFDL-1.2-no-invariants-or-later"),
    ("GNU Free Documentation License", "LicenseRef-GFDL"),
    ("Apache-2.0", "Apache-2.0"),
    ("Apache 2.0", "Apache-2.0"),
    ("Apache License 2.0", "Apache-2.0"),
    ("MIT", "MIT"),
    ("Expat", "MIT"),
    ("BSD-3-Clause", "BSD-3-Clause"),
    ("MPL-2.0", "MPL-2.0"),
    ("SIL Open Font License 1.1", "OFL-1.1"),
    ("free-art", "LicenseRef-LAL"),
    ("Free Art License 1.3", "LAL-1.3"),
    ("FAL", "LicenseRef-LAL"),
    # Choices
    ("CC-BY-SA-3.0 / GFDL", "CC-BY-SA-3.0 OR LicenseRef-GFDL"),
    ("GFDL or CC-BY-SA-3.0", "CC-BY-SA-3.0 OR LicenseRef-GFDL"),
    ("GPL-3 or LGPL-2.1", "GPL-3.0-only OR LGPL-2.1-only"),
    ("LGPL-2.1 or LGPL-3", "LGPL-2.1-only OR LGPL-3.0-only"),
    ("GFDL-1.3-or-later OR CC-BY-SA-4.0", "CC-BY-SA-4.0 OR GFDL-1.3-or-later"),
    ("CC0 or CC0", "CC0-1.0"),
]

LINKS = [
    (f"{CC}/licenses/by/4.0/", "CC-BY-4.0"),
    (f"{CC}/licenses/by/4.0", "CC-BY-4.0"),
    ("http://creativecommons.org/licenses/by/2.0/", "CC-BY-2.0"),
    ("HTTPS://CreativeCommons.org/licenses/BY-SA/3.0/", "CC-BY-SA-3.0"),
    ("https://www.creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0"),
    ("//creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0"),
    ("creativecommons.org/licenses/by-sa/3.0", "CC-BY-SA-3.0"),
    (f"{CC}/licenses/by-sa/3.0/deed.en", "CC-BY-SA-3.0"),
    (f"{CC}/licenses/by-sa/3.0/deed.zh_TW", "CC-BY-SA-3.0"),
    (f"{CC}/licenses/by-sa/4.0/legalcode", "CC-BY-SA-4.0"),
    (f"{CC}/licenses/by/4.0/?ref=chooser-v1", "CC-BY-4.0"),
    (f"{CC}/licenses/by/3.0/us/", "CC-BY-3.0-US"),
    (f"{CC}/licenses/by-sa/2.0/fr/deed.fr", "LicenseRef-CC-BY-SA-2.0-FR"),
    (f"{CC}/licenses/by-nc-sa/2.0/uk/", "CC-BY-NC-SA-2.0-UK"),
    (f"{CC}/licenses/by-nd-nc/1.0/", "CC-BY-NC-ND-1.0"),
    (f"{CC}/licenses/by-nc-nd/2.0/", "CC-BY-NC-ND-2.0"),
    (f"{CC}/licenses/by-sa/", "LicenseRef-CC-BY-SA"),
    (f"{CC}/publicdomain/zero/1.0/", "CC0-1.0"),
    (f"{CC}/publicdomain/zero/1.0/deed.en", "CC0-1.0"),
    (f"{CC}/publicdomain/mark/1.0/", "CC-PDM-1.0"),
    (f"{CC}/licenses/publicdomain/", "CC-PDDC"),
    ("https://www.flickr.com/commons/usage/", "LicenseRef-no-known-restrictions"),
    ("http://www.usa.gov/copyright.shtml", "LicenseRef-US-government"),
    ("http://www.apache.org/licenses/LICENSE-2.0.html", "Apache-2.0"),
    (f"CC BY 4.0 ({CC}/licenses/by/4.0/)", "CC-BY-4.0"),
    (f"License: CC BY-SA <{CC}/licenses/by-sa/3.0/>.", "CC-BY-SA-3.0"),
    (f'<a rel="license" href="{CC}/licenses/by-sa/3.0">CC BY-SA 3.0</a>', "CC-BY-SA-3.0"),
    (f"<p>Licensed under <a href='{CC}/licenses/by/2.0/'>CC&nbsp;BY</a></p>", "CC-BY-2.0"),
    (
        '<a href="https://en.wikipedia.org/wiki/Creative_Commons">Creative Commons</a> '
        f'<a href="{CC}/licenses/by-sa/3.0/deed.en">Attribution-Share Alike 3.0 Unported</a>',
        "CC-BY-SA-3.0",
    ),
]

UNREADABLE = [
    "CC BY, no AI training",
    "CC BY 4.0 except the logo",
    "CC BY 4.0?",
    "not CC BY",
    "CC",
    "Creative Commons",
    "Creative Commons license",
    "Some rights reserved",
    "Attribution",
    "Licensed by",
    "Released by 4.0",
    "Copyrighted free use",
    "see description",
    "unknown",
    "0",
    "1",
    "4",
    "zero",
    "free",
    "CC BY 2",
    "CC BY 3.5",
    "CC BY 5.0",
    "CC BY 2.1",
    "CC BY 4.0 de",
    "CC BY 3.0 xx",
    "CC BY 3.0 International",
    "CC BY-ND-SA 4.0",
    "CC NC",
    "CC0 2.0",
    "CC BY-SA 4.0, 3.0, 2.5, 2.0 and 1.0",
    "CC BY 3.0 and CC0",
    "CC-BY-3.0 and Bitstream",
    "CC BY or CC BY-NC",
    "GPL-3 or LGPL-2.1 with Digia-1.1 exception",
    "CC-sampling-plus-1.0",
    "GPL-7",
    "Public domain in the United States",
    "https://creativecommons.org.example.com/licenses/by/4.0/",
    "https://evil-creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org@example.com/licenses/by/4.0/",
    "https://creativecommons.org:8080/licenses/by/4.0/",
    "https://creativec\u043emmons.org/licenses/by/4.0/",
    "https://example.com/?u=creativecommons.org/licenses/by/4.0/",
    "https://example.com/creativecommons.org/licenses/by/4.0/",
    "ftp://creativecommons.org/licenses/by/4.0/",
    f"{CC}/licenses/by/4.0/?not=really",
    f"{CC}/licenses/by/4.0/de/",
    f"{CC}/licenses/by/9.0/",
    f"{CC}/licenses/sampling+/1.0/",
    f"{CC}/licenses/",
    f"{CC}/licenses/by/4.0/ no AI training",
    f"{CC}/licenses/by/4.0/ {CC}/licenses/by/3.0/",
    f'<a href="https://example.com">CC BY 4.0</a> {CC}/licenses/by/4.0/',
    f'<a href="{CC}/licenses/by-nc/4.0/">CC BY 4.0</a>',
    "<del>CC BY 4.0</del>",
    "https://[creativecommons.org/licenses/by/4.0/",
    "CC BY 4.0 " + "x" * 5000,
]


@pytest.mark.parametrize(("text", "spdx"), NAMES + LINKS)
def test_readable(text, spdx):
    assert read_license(text).spdx == spdx


@pytest.mark.parametrize("text", UNREADABLE)
def test_what_is_not_sure_is_unknown(text):
    assert read_license(text).spdx == "LicenseRef-unknown"


@pytest.mark.parametrize("text", ["", " \n", "<p> </p>", "&nbsp;"])
def test_blank_is_missing(text):
    assert read_license(text).spdx == "LicenseRef-missing"


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
        (["CC BY-SA 3.0", f"{CC}/licenses/by-sa/4.0/"], "LicenseRef-contradicted"),
        (["CC BY 3.0", f"{CC}/licenses/by/3.0/us/"], "LicenseRef-contradicted"),
        (["CC BY", f"{CC}/licenses/by-nc/2.0/"], "LicenseRef-contradicted"),
        (["CC BY", f"{CC}/licenses/by/2.0/", "CC BY 4.0"], "LicenseRef-contradicted"),
        (["CC-BY-SA 4.0", "GPL-3"], "LicenseRef-contradicted"),
        (["CC0", "Public domain"], "LicenseRef-contradicted"),
        (["CC BY 4.0", "ask me first"], "LicenseRef-unknown"),
        (["CC BY 4.0", "CC BY 3.0", "ask me first"], "LicenseRef-unknown"),
        (["ask me first", "ask him"], "LicenseRef-unknown"),
    ],
)
def test_claims_of_one_record(texts, spdx):
    claims = [(f"field{number}", text) for number, text in enumerate(texts)]
    assert read_claims(claims).spdx == spdx


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
        ("LicenseRef-US-government", "US-government"),
        ("LicenseRef-all-rights-reserved", "all-rights-reserved"),
        ("LicenseRef-unknown", "unknown"),
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


@pytest.mark.parametrize("spdx", sorted({spdx for _, spdx in NAMES + LINKS}))
def test_spdx_ids_and_deeds_read_back(spdx):
    url = license_url(spdx)
    texts = [text for text in (None if "LicenseRef" in spdx else spdx, url) if text]
    texts = [text for text in texts if not text.startswith("https://spdx.org")]
    assert {read_license(text).spdx for text in texts} <= {spdx}


def test_a_choice_lists_its_sides():
    assert choices("CC-BY-SA-3.0 OR LicenseRef-GFDL") == ("CC-BY-SA-3.0", "LicenseRef-GFDL")


PERMISSIVE = {"CC-BY", "CC-BY-SA", "CC0", "CC-PDM", "public-domain", "CC-PDDC", "CC-SA"}
RESTRICTING_TERMS = [
    "nc", "nd", "NC", "-ND", "NonCommercial", "non-commercial", "NoDerivs", "No Derivative Works", "by-nc",
    "noncommercial-noderivs", "CC BY-ND 4.0", f"{CC}/licenses/by-nc/4.0/",
]  # fmt: skip
OTHER_TERMS = [
    "CC", "BY", "by-sa", "SA", "Attribution", "ShareAlike", "License", "4.0", "3.0", "Unported", "(", ")", "/", "or",
    "and", ",", "-", "public domain", "CC0", "PDM", "Creative Commons", "deed", "US", "the", "<b>", "</b>", "</a>",
    f"{CC}/licenses/by/4.0/", f'<a href="{CC}/licenses/by-sa/3.0/">',
]  # fmt: skip
RESTRICTING, TERM = st.sampled_from(RESTRICTING_TERMS), st.sampled_from(OTHER_TERMS)
JOIN = st.sampled_from([" ", "-", ", ", "  "])


@settings(max_examples=800, deadline=None)
@given(st.lists(TERM, max_size=5), RESTRICTING, st.lists(TERM, max_size=5), JOIN)
def test_nothing_with_nc_or_nd_reads_as_permissive(before, restricting, after, join):
    spdx = read_license(join.join([*before, restricting, *after])).spdx
    assert not {family(choice) for choice in choices(spdx)} & PERMISSIVE


@settings(max_examples=300, deadline=None)
@given(st.text() | st.lists(TERM | st.text(max_size=3)).map("".join))
def test_any_text_reads_as_one_known_kind_of_id(text):
    reading = read_license(text)
    assert all(re.fullmatch(r"[A-Za-z0-9.-]+", choice) for choice in choices(reading.spdx))
    assert reading.seen == text
