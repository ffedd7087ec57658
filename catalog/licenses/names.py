"""What licenses are called and where they are published: the tables behind `catalog.licenses.reading`."""

ELEMENTS = ("by", "nc", "nd", "sa")
CODES = frozenset("by by-sa by-nc by-nd by-nc-sa by-nc-nd by-nd-nc sa nc nd nc-sa nd-nc".split())
"""The spellings of Creative Commons' license codes in its own URLs."""
UNPORTED = ("1.0", "2.0", "2.5", "3.0", "4.0")
SCOPES = {"generic": ("1.0", "2.0", "2.5"), "unported": ("3.0",), "international": ("4.0",)}
PORTS = {
    "1.0": "fi il nl",
    "2.0": "at au be br ca cl de es fr hr it jp kr nl pl tw uk za",
    "2.1": "au ca es jp",
    "2.5": "ar au bg br ca ch cn co dk es hr hu il in it mk mt mx my nl pe pl pt scotland se si tw za",
    "3.0": "am at au az br ca ch cl cn cr cz de ec ee eg es fr ge gr gt hk hr ie igo it lu nl no nz ph pl pr pt ro rs "
    "sg th tw ug us ve vn za",
}
"""The jurisdictions into which each version was ported; there are no others and never will be."""
SPDX_PORTED = frozenset({
    "CC-BY-2.5-AU", "CC-BY-3.0-AT", "CC-BY-3.0-AU", "CC-BY-3.0-DE", "CC-BY-3.0-IGO", "CC-BY-3.0-NL", "CC-BY-3.0-US",
    "CC-BY-NC-3.0-DE", "CC-BY-NC-ND-3.0-DE", "CC-BY-NC-ND-3.0-IGO", "CC-BY-NC-SA-2.0-DE", "CC-BY-NC-SA-2.0-FR",
    "CC-BY-NC-SA-2.0-UK", "CC-BY-NC-SA-3.0-DE", "CC-BY-NC-SA-3.0-IGO", "CC-BY-ND-3.0-DE", "CC-BY-SA-2.0-UK",
    "CC-BY-SA-2.1-JP", "CC-BY-SA-3.0-AT", "CC-BY-SA-3.0-DE", "CC-BY-SA-3.0-IGO",
})  # fmt: skip
"""The ports that have an SPDX id; the others are `LicenseRef-`."""
TOOL_PAGES = {
    "CC0-1.0": "publicdomain/zero/1.0", "CC-PDM-1.0": "publicdomain/mark/1.0", "CC-PDDC": "licenses/publicdomain",
}  # fmt: skip
RETIRED = {
    "sampling 1.0": "LicenseRef-CC-Sampling-1.0",
    "sampling+ 1.0": "LicenseRef-CC-Sampling-Plus-1.0",
    "nc-sampling+ 1.0": "LicenseRef-CC-NC-Sampling-Plus-1.0",
    "devnations 2.0": "LicenseRef-CC-DevNations-2.0",
}
"""Creative Commons' licenses of other shapes, as Openverse writes them: none is as free as its name may sound."""
HOSTED = {"gpl 2.0": "GPL-2.0-only", "lgpl 2.1": "LGPL-2.1-only", "bsd": "BSD-3-Clause", "mit": "MIT"}
"""Licenses of others that Creative Commons has pages of, under `licenses/`, and what they are."""
PUBLIC_DOMAIN_TERM = "publicdomain"
"""The one name in Creative Commons' RDF namespaces that was used for a license. It says that somebody claims a work to
be in the public domain, as it stands in millions of SVGs: neither the dedication of 2004 nor the Mark of 2010."""

FLICKR_FIELDS = frozenset({"flickr_license", "license_id"})
"""The fields in which a bare number is Flickr's; anywhere else it says nothing."""
FLICKR_IDS = {str(number): spdx for number, spdx in enumerate(
    "LicenseRef-all-rights-reserved CC-BY-NC-SA-2.0 CC-BY-NC-2.0 CC-BY-NC-ND-2.0 CC-BY-2.0 CC-BY-SA-2.0 CC-BY-ND-2.0 "
    "LicenseRef-no-known-restrictions LicenseRef-US-government CC0-1.0 CC-PDM-1.0 CC-BY-4.0 CC-BY-SA-4.0 CC-BY-ND-4.0 "
    "CC-BY-NC-4.0 CC-BY-NC-SA-4.0 CC-BY-NC-ND-4.0".split()
)}  # fmt: skip

VERSIONED = {
    "agpl": ("AGPL", ("1.0", "3.0")), "apache": ("Apache", ("1.0", "1.1", "2.0")),
    "gfdl": ("GFDL", ("1.1", "1.2", "1.3")), "lal": ("LAL", ("1.2", "1.3")), "gpl": ("GPL", ("1.0", "2.0", "3.0")),
    "lgpl": ("LGPL", ("2.0", "2.1", "3.0")), "mpl": ("MPL", ("1.0", "1.1", "2.0")), "ofl": ("OFL", ("1.0", "1.1")),
    "odbl": ("ODbL", ("1.0",)), "odcby": ("ODC-By", ("1.0",)), "pddl": ("PDDL", ("1.0",)),
    "ogluk": ("OGL-UK", ("1.0", "2.0", "3.0")), "oglcanada": ("OGL-Canada", ("2.0",)), "etalab": ("etalab", ("2.0",)),
    "dldeby": ("DL-DE-BY", ("2.0",)), "dldezero": ("DL-DE-ZERO", ("2.0",)), "nlod": ("NLOD", ("1.0", "2.0")),
}  # fmt: skip
"""The one word that `REWRITES` makes of a name -> the SPDX stem, and the versions that SPDX lists."""
GNU = ("AGPL", "GFDL", "GPL", "LGPL")
"""Licenses of which SPDX tells "only" from "or later"."""

RESERVED, UNRESTRICTED = "LicenseRef-all-rights-reserved", "LicenseRef-no-known-restrictions"
PD, PD_US, US_GOVERNMENT = "LicenseRef-public-domain", "LicenseRef-public-domain-US", "LicenseRef-US-government"

_NAMES_OF = {
    RESERVED: """all rights reserved|© all rights reserved|copyright all rights reserved|alle rechte vorbehalten
        |tous droits réservés|todos los derechos reservados|tutti i diritti riservati|alle rechten voorbehouden
        |todos os direitos reservados""",
    UNRESTRICTED: """no known copyright restrictions|no known restrictions|no known restrictions on publication
        |no known copyright restrictions in the united states""",
    PD: """public domain|PD|CC PD|public domain dedication|gemeinfrei|domaine public|dominio público|dominio pubblico
        |pubblico dominio|domínio público|publiek domein|PD-old|PD-old-70|PD-old-75|PD-old-80|PD-old-90|PD-old-95
        |PD-old-100|PD-self|PD-user|PD-author|PD-Art|PD-scan|PD-ineligible|PD-textlogo|PD-shape|PD-simple|PD-anon-70""",
    PD_US: """PD-US|PD-US-expired|PD-US-not renewed|PD-US-no notice|PD-1923|PD-old-70-expired|PD-old-100-expired
        |PD-old-auto-expired|public domain in the united states|public domain in the US|US public domain""",
    US_GOVERNMENT: """united states government|PD-USGov|PD-USGov-NASA|PD-USGov-NOAA|PD-USGov-NPS|PD-USGov-USGS
        |PD-USGov-FWS|PD-USGov-USDA|PD-USGov-DOE|PD-USGov-FSA|PD-USGov-Congress|PD-USGov-Interior|PD-USGov-Military
        |PD-USGov-Military-Army|PD-USGov-Military-Navy|PD-USGov-Military-Air Force|PD-USGov-Military-Marines
        |PD-USGov-HHS-CDC|PD-USGov-HHS-NIH|PD-USGov-POTUS""",
    "LicenseRef-copyrighted-free-use": "copyrighted free use",
    "LicenseRef-KOGL-BY": "KOGL type 1|Korea open government license type 1",
    "LicenseRef-KOGL-BY-NC": "KOGL type 2|Korea open government license type 2",
    "LicenseRef-KOGL-BY-ND": "KOGL type 3|Korea open government license type 3",
    "LicenseRef-KOGL-BY-NC-ND": "KOGL type 4|Korea open government license type 4",
    "LicenseRef-GODL-India": "GODL India|Government Open Data License India",
    "OGDL-Taiwan-1.0": "OGDL Taiwan 1.0|Open Government Data License Taiwan 1.0",
    "LicenseRef-OGL": "open government licence",
    "OGL-UK-3.0": "OGL 3|OGL 3.0|open government licence 3|open government licence 3.0",
    "LicenseRef-etalab-1.0": "licence ouverte 1.0|licence ouverte 1",
    "CC-PDDC": "CC PDDC",
    "MIT": "MIT|expat",
    "BSD-2-Clause": "BSD 2 clause", "BSD-3-Clause": "BSD 3 clause", "ISC": "ISC", "Unlicense": "unlicense",
    "WTFPL": "WTFPL", "Zlib": "zlib",
    "LicenseRef-InC": "in copyright",
    "LicenseRef-InC-EDU": "in copyright educational use permitted",
    "LicenseRef-InC-NC": "in copyright non-commercial use permitted",
    "LicenseRef-InC-OW-EU": "in copyright EU orphan work",
    "LicenseRef-InC-RUU": "in copyright rights-holder(s) unlocatable or unidentifiable",
    "LicenseRef-NoC-US": "no copyright united states|no copyright in the united states",
    "LicenseRef-NoC-NC": "no copyright non-commercial use only",
    "LicenseRef-NoC-CR": "no copyright contractual restrictions",
    "LicenseRef-NoC-OKLR": "no copyright other known legal restrictions",
    "LicenseRef-NKC": "no known copyright",
    "LicenseRef-CNE": "copyright not evaluated",
    "LicenseRef-UND": "copyright undetermined",
}  # fmt: skip
WHOLE_NAMES = {name.strip(): spdx for spdx, names in _NAMES_OF.items() for name in names.split("|")}
"""Names that are read only when nothing else is said."""

RIGHTS_STATEMENTS = {
    code.lower(): f"LicenseRef-{code}"
    for code in "InC InC-OW-EU InC-EDU InC-NC InC-RUU NoC-CR NoC-NC NoC-OKLR NoC-US CNE UND NKC".split()
}
"""rightsstatements.org: what is known of the rights, never a license."""

PAGES = {
    "flickr.com/commons/usage": UNRESTRICTED,
    "usa.gov/copyright.shtml": US_GOVERNMENT,
    "usa.gov/government-works": US_GOVERNMENT,
    "usa.gov/government-copyright": US_GOVERNMENT,
    "europeana.eu/rights/rr-f": RESERVED, "europeana.eu/rights/rr-p": RESERVED, "europeana.eu/rights/rr-r": RESERVED,
    "apache.org/licenses/license-2.0": "Apache-2.0",
    "nationalarchives.gov.uk/doc/open-government-licence": "LicenseRef-OGL-UK",
    "nationalarchives.gov.uk/doc/open-government-licence/version/1": "OGL-UK-1.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/2": "OGL-UK-2.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/3": "OGL-UK-3.0",
    "open.canada.ca/en/open-government-licence-canada": "LicenseRef-OGL-Canada",
    "etalab.gouv.fr/licence-ouverte-open-licence": "LicenseRef-etalab",
    "etalab.gouv.fr/wp-content/uploads/2017/04/etalab-licence-ouverte-v2.0.pdf": "etalab-2.0",
    "etalab.gouv.fr/wp-content/uploads/2014/05/licence_ouverte.pdf": "LicenseRef-etalab-1.0",
    "kogl.or.kr/open/info/license_info/by.do": "LicenseRef-KOGL-BY",
    "govdata.de/dl-de/by-2-0": "DL-DE-BY-2.0", "govdata.de/dl-de/zero-2-0": "DL-DE-ZERO-2.0",
    "data.norge.no/nlod/en/1.0": "NLOD-1.0", "data.norge.no/nlod/en/2.0": "NLOD-2.0",
    "data.gov.tw/license": "OGDL-Taiwan-1.0",
    "artlibre.org/licence/lal": "LicenseRef-LAL", "artlibre.org/licence/lal/en": "LicenseRef-LAL",
    "artlibre.org/licence/lal/licence-art-libre-12": "LAL-1.2",
    "opendatacommons.org/licenses/odbl": "LicenseRef-ODbL", "opendatacommons.org/licenses/odbl/1-0": "ODbL-1.0",
    "opendatacommons.org/licenses/odbl/1.0": "ODbL-1.0",
    "opendatacommons.org/licenses/by": "LicenseRef-ODC-By", "opendatacommons.org/licenses/by/1-0": "ODC-By-1.0",
    "opendatacommons.org/licenses/by/1.0": "ODC-By-1.0",
    "opendatacommons.org/licenses/pddl": "LicenseRef-PDDL", "opendatacommons.org/licenses/pddl/1-0": "PDDL-1.0",
    "opendatacommons.org/licenses/pddl/1.0": "PDDL-1.0",
    "gnu.org/licenses/gpl": "LicenseRef-GPL", "gnu.org/licenses/gpl-3.0": "GPL-3.0-only",
    "gnu.org/licenses/gpl-2.0": "GPL-2.0-only", "gnu.org/licenses/old-licenses/gpl-2.0": "GPL-2.0-only",
    "gnu.org/licenses/lgpl": "LicenseRef-LGPL", "gnu.org/licenses/lgpl-3.0": "LGPL-3.0-only",
    "gnu.org/licenses/lgpl-2.1": "LGPL-2.1-only", "gnu.org/licenses/old-licenses/lgpl-2.1": "LGPL-2.1-only",
    "gnu.org/licenses/agpl-3.0": "AGPL-3.0-only", "gnu.org/licenses/agpl": "LicenseRef-AGPL",
    "gnu.org/licenses/fdl": "LicenseRef-GFDL", "gnu.org/copyleft/fdl": "LicenseRef-GFDL",
    "gnu.org/licenses/fdl-1.3": "GFDL-1.3-only", "gnu.org/licenses/fdl-1.2": "GFDL-1.2-only",
    "gnu.org/licenses/old-licenses/fdl-1.2": "GFDL-1.2-only", "gnu.org/copyleft/gpl": "LicenseRef-GPL",
    "scripts.sil.org/ofl": "LicenseRef-OFL", "openfontlicense.org": "LicenseRef-OFL",
    "mozilla.org/mpl/2.0": "MPL-2.0", "mozilla.org/en-us/mpl/2.0": "MPL-2.0",
    "unlicense.org": "Unlicense",
}  # fmt: skip
"""Host and path in lower case, without `www.`, ending and last slash -> what is published there."""

_COUNTRIES = {
    "am": "armenia", "ar": "argentina", "at": "austria|österreich", "au": "australia", "be": "belgium",
    "bg": "bulgaria", "br": "brazil|brasil", "ca": "canada", "ch": "switzerland|schweiz", "cl": "chile",
    "cn": "(?:mainland )?china", "co": "colombia", "cr": "costa rica", "cz": "czech republic",
    "de": "germany|deutschland", "dk": "denmark", "ec": "ecuador", "ee": "estonia", "eg": "egypt",
    "es": "spain|españa", "fi": "finland", "fr": "france", "gr": "greece", "gt": "guatemala", "hk": "hong kong",
    "hr": "croatia", "hu": "hungary", "ie": "ireland", "igo": "intergovernmental organizations?", "il": "israel",
    "in": "india", "it": "italy|italia", "jp": "japan", "kr": "(?:south )?korea", "lu": "luxembourg", "mt": "malta",
    "mx": "mexico", "my": "malaysia", "nl": "netherlands|nederland", "no": "norway", "nz": "new zealand", "pe": "peru",
    "ph": "philippines", "pl": "poland", "pr": "puerto rico", "pt": "portugal", "ro": "romania", "rs": "serbia",
    "se": "sweden", "sg": "singapore", "si": "slovenia", "th": "thailand", "tw": "taiwan", "ug": "uganda",
    "uk": "(?:uk )?england (?:and|&) wales", "us": "u s|united states(?: of america)?", "ve": "venezuela",
    "vn": "vietnam", "za": "south africa",
}  # fmt: skip

REWRITES = [
    (r"\bcc gnu (?=l?gpl\b)", ""),  # Creative Commons' pages of the GNU licenses
    (r"\blov ?(?=2(?:\.0)?\b)", "etalab "),  # data.gouv.fr
    (r"v(?=\d)", " "),
    (r"\b(?:licen[cs]ed|published|released|work) by\b", "?"),  # somebody, not Attribution
    (r"^(?:are|is)\b|\bavailable\b(?! under\b)", "?"),  # a question; another version that one may ask for
    # A word that is also a port's code ("3.0 no license") is that word.
    (r"(?<=\d )(?:at|be|in|it|my|no) (?=(?:an?|licen[cs]\w+|the|this|version|work)\b)", "? "),
    (r"\bsome rights reserved\b|\bcontains public sector information\b", " "),
    (r"\bor(?: at your option)?(?: any)? (?:later|newer)(?: versions?)?\b", "+"),
    (r"\b(?:gnu )?(?:lesser|library) general public licen[cs]e\b|\bgnu lgpl\b", "lgpl"),
    (r"\b(?:gnu )?affero general public licen[cs]e\b|\bgnu agpl\b", "agpl"),
    (r"\b(?:gnu )?general public licen[cs]e\b|\bgnu gpl\b", "gpl"),
    (r"\b(?:gnu )?free documentation licen[cs]e\b|\bgnu f(?:ree )?dl\b|\bgnu gfdl\b", "gfdl"),
    (r"\bmozilla public licen[cs]e\b", "mpl"),
    (r"\b(?:sil )?open font licen[cs]e\b|\bsil ofl\b", "ofl"),
    (r"\bfree art\b|\blicence art libre\b|\bart libre\b|\bfal\b", "lal"),
    (r"\blicence ouverte(?: ?/ ?open licen[cs]e)?(?: etalab)?\b|\betalab open licen[cs]e\b", "etalab"),
    (r"\blicence etalab\b|\bfr lo\b", "etalab"),
    (r"\b(?:uk|united kingdom) (?:open government licen[cs]e|ogl)\b|\bogl uk\b", "ogluk"),
    (r"\bopen government licen[cs]e (?:uk|united kingdom)\b", "ogluk"),
    (r"\bopen government licen[cs]e canada\b|\bogl canada\b", "oglcanada"),
    (r"\b(?:odc|open data commons) open database licen[cs]e\b|\bopen database licen[cs]e\b|\bodc odbl\b", "odbl"),
    (r"\b(?:odc|open data commons) (?:attribution(?: licen[cs]e)?|by)\b", "odcby"),
    (r"\b(?:odc|open data commons) public domain dedication and licen[cs]e\b|\bodc pddl\b", "pddl"),
    (r"\bdatenlizenz deutschland namensnennung\b|\bdl de by\b", "dldeby"),
    (r"\bdatenlizenz deutschland zero\b|\bdl de zero\b", "dldezero"),
    (r"\bnorwegian licen[cs]e for open government data\b", "nlod"),
    (r"\bpublic licen[cs]e\b|\bunder the terms of\b|\blegal code\b", " "),
    (r"\bcreative ?commons\b", "cc"),
    (r"\bcc ?(?:0|zero)\b(?!\.)", "cczero"),
    (r"\battribution licen[cs]e\b", "cc by"),  # Flickr's and Freesound's name for CC BY
    (r"\bshare ?alike\b", "sa"),
    (r"\bnon ?commercial\b", "nc"),
    (r"\bno ?deriv(?:ative)?s?(?: works?)?\b", "nd"),
    # Creative Commons' own names of the elements in German, French, Spanish, Italian, Dutch, Portuguese.
    (r"\b(?:nicht|keine) kommerzielle? nutzung\b|\bnicht kommerziell\b", "nc"),
    (r"\bpas d utilisation commerciale\b|\b(?:uso )?(?:no|não) ?comercial\b|\bnon commerciale\b", "nc"),
    (r"\bniet ?commercieel\b", "nc"),
    (r"\bkeine bearbeitung(?:en)?\b|\bpas de modifications?\b|\bsin (?:obras? )?derivadas?\b", "nd"),
    (r"\bnon opere derivate\b|\bgeen ?afgeleide ?werken\b|\bsem ?deriva(?:ções|dos|das)\b", "nd"),
    (r"\bweitergabe unter gleichen bedingungen\b|\bpartage dans les mêmes conditions\b", "sa"),
    (r"\bpartage à l identique\b|\bcompartir ?igual\b|\bcondividi allo stesso modo\b", "sa"),
    (r"\bgelijk ?delen\b|\bcompartilha ?igual\b", "sa"),
    (r"\b(?:attribution|namensnennung|paternité|reconocimiento|atribución|attribuzione|naamsvermelding|atribuição)\b",
     "by"),
    (r"\b(?:internacional|internazionale|internationaal)\b", "international"),
    (r"\b(?:nicht portiert|non transposé|no portada)\b", "unported"),
    (r"\bpublic ?domain\b", "pd"),
    (r"\bpd mark\b", "pdm"),
    *((rf"(?<=\d\.\d )(?:{names})\b", code) for code, names in _COUNTRIES.items()),
    (r"\bu s\b|\bunited states(?: of america)?\b", "us"),
]  # fmt: skip
"""Applied in this order to the lower-case words of a name, to bring them to one spelling."""
FILLER = (
    r"\b(?:an?|are|available|deed|identifier|is|legalcode|licen[cs]ed?|licencia|licença|licentie|licenza|lizenz|of"
    r"|published|released|spdx|the|this|under|work)\b|\b(?:v|ver|version)(?= \d)"
)
"""Words that say nothing about which license it is."""
