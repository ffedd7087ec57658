"""Croissant 1.1 metadata of a release, with the RAI extension 1.0: https://docs.mlcommons.org/croissant/.

`mlcroissant` loads the release from it, as it lies on disk: the credits from their table, the pictures from the shards.
"""

from typing import Any

from byline.catalog.corpora.manifest import Shard
from byline.catalog.digests import sha256_hex
from byline.catalog.disk import layout
from byline.catalog.disk.storage import parquet_bytes
from byline.catalog.licenses.reading import license_url
from byline.pages.html import safe_url
from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.croissant_rai import responsible_ai
from byline.pipelines.releases.papers.escaping import json_bytes, plain
from byline.pipelines.releases.papers.licenses import license_words
from byline.pipelines.releases.papers.wording import description

Json = dict[str, Any]

CONFORMS_TO = ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"]
_CROISSANT_TERMS = (
    "annotation arrayShape citeAs column containedIn equivalentProperty excludes extract field fileObject fileProperty "
    "fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path readLines recordSet references "
    "regex repeated replace samplingRate sdVersion separator source subField transform unArchive value"
).split()
CONTEXT: Json = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "cc": "http://creativecommons.org/ns#",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS},
}
_CREDIT_FIELDS = [
    ("sha256", "sc:Text", "SHA-256 of the picture as it was fetched; the key of its sample."),
    ("record_id", "sc:Text", "The source and its own id of the picture."),
    ("title", "sc:Text", "Title, as the source states it."),
    ("creator", "sc:Text", "Whom to credit."),
    ("creator_url", "sc:URL", "The creator's page."),
    ("source_url", "sc:URL", "Where the picture was found."),
    ("license", "sc:Text", "License of this picture: an SPDX id, or a LicenseRef of byline."),
    ("license_url", "sc:URL", "The license's text."),
    ("changes", "sc:Text", "What was done to the picture."),
    ("split", "sc:Text", "train or heldout."),
    ("shard", "sc:Text", "The shard that ships the picture."),
]
_MEANS = {"creator": "sc:creator", "license": "sc:license", "title": "sc:name", "source_url": "sc:url"}


def croissant_json(account: Account) -> bytes:
    """Return `croissant.json`. Relative paths in it start at the release's folder.

    The digest of credits.parquet in it is that of `parquet_bytes(account.credits)`. There is no `datePublished`, `url`,
    or `publisher` unless `account.publication` states one.
    """
    manifest, publication = account.manifest, account.publication
    name = plain(manifest.name)
    stated = {
        "url": safe_url(publication.url),
        "datePublished": publication.date,
        "creator": _organization(publication.publisher),
        "publisher": _organization(publication.publisher),
    }
    metadata = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "name": name,
        "description": description(account),
        "conformsTo": CONFORMS_TO,
        "version": f"1.0.0+content.{account.content}",
        "citeAs": f"@misc{{{name}, title = {{{name}}}, note = {{byline release, content {account.content}}}}}",
        **{key: value for key, value in stated.items() if value},
        "license": [_license(spdx, count) for spdx, count in sorted(manifest.licenses.items())],
        "usageInfo": usage(account),
        "keywords": ["image", "text", "text-to-image", "licensed", "attribution"],
        **responsible_ai(account),
        "distribution": [_credits_file(account), *map(_shard_file, _shards(account)), *_file_sets(account)],
        "recordSet": [_credits(), _pictures(), _captions(account)],
    }
    return json_bytes(metadata)


def _organization(name: str | None) -> Json | None:
    return {"@type": "sc:Organization", "name": plain(name)} if name else None


def _license(spdx: str, count: int) -> str | Json:
    url = license_url(spdx)
    return url or {"@type": "sc:CreativeWork", "name": spdx, "description": f"{license_words(spdx)}: {count} pictures"}


def usage(account: Account) -> Json:
    """Return what a user of the release takes over, in ODRL with the actions of Creative Commons."""
    duties = {"attribution": ("cc:Attribution", "cc:Notice"), "share-alike": ("cc:ShareAlike",)}
    asked = [action for name in account.obligations for action in duties.get(name, ())]
    permission: Json = {"@type": "odrl:Permission", "odrl:action": {"@id": "odrl:use"}}
    if asked:
        permission["odrl:duty"] = [{"@type": "odrl:Duty", "odrl:action": {"@id": action}} for action in asked]
    offer: Json = {
        "@type": ["sc:CreativeWork", "odrl:Offer"],
        "name": f"Obligations: {', '.join(account.obligations) or 'none'}",
        "description": "Taken over with the release as a whole; what one picture asks is in its row of the credits.",
        "odrl:permission": permission,
    }
    if "non-commercial" in account.obligations:
        offer["odrl:prohibition"] = {"@type": "odrl:Prohibition", "odrl:action": {"@id": "cc:CommercialUse"}}
    return offer


def _shards(account: Account) -> list[Shard]:
    return sorted(account.manifest.shards, key=lambda shard: shard.name)


def _credits_file(account: Account) -> Json:
    data = parquet_bytes(account.credits)
    return {
        "@type": "cr:FileObject",
        "@id": "credits.parquet",
        "name": "credits.parquet",
        "description": "One row for each picture: whose it is, its license, the shard that ships it.",
        "contentUrl": "credits.parquet",
        "contentSize": f"{len(data)} B",
        "encodingFormat": "application/x-parquet",
        "sha256": sha256_hex(data),
    }


def _shard_file(shard: Shard) -> Json:
    return {
        "@type": "cr:FileObject",
        "@id": shard.name,
        "name": shard.name,
        "description": f"webdataset shard, {shard.split}: {shard.num_samples} samples.",
        "contentUrl": f"{layout.SHARDS_FROM_RELEASE}{shard.name}",
        "contentSize": f"{shard.num_bytes} B",
        "encodingFormat": "application/x-tar",
        "sha256": shard.sha256,
    }


def _file_sets(account: Account) -> list[Json]:
    kinds = [("jpg-files", "*.jpg", "image/jpeg"), ("txt-files", "*.txt", "text/plain")]
    return [
        {
            "@type": "cr:FileSet",
            "@id": name,
            "name": name,
            "containedIn": [{"@id": shard.name} for shard in _shards(account)],
            "encodingFormat": encoding,
            "includes": pattern,
        }
        for name, pattern, encoding in kinds
    ]


def _record_set(name: str, text: str, fields: list[Json]) -> Json:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": text,
        "key": {"@id": f"{name}/sha256"},
        "field": [{"@type": "cr:Field", **field, "@id": f"{name}/{field['name']}"} for field in fields],
    }


def _credit_field(column: str, kind: str, text: str) -> Json:
    source = {"fileObject": {"@id": "credits.parquet"}, "extract": {"column": column}}
    field: Json = {"name": column, "description": text, "dataType": kind, "source": source}
    return field | ({"equivalentProperty": _MEANS[column]} if column in _MEANS else {})


def _credits() -> Json:
    fields = [_credit_field(*field) for field in _CREDIT_FIELDS]
    return _record_set("credits", "Credit and license of every picture.", fields)


def _pictures() -> Json:
    image: Json = {
        "name": "image",
        "description": "The picture, decoded.",
        "dataType": "sc:ImageObject",
        "source": {"fileSet": {"@id": "jpg-files"}, "extract": {"fileProperty": "content"}},
    }
    fields = [_key("jpg-files"), image, *_from_credits("title", "creator", "license", "license_url")]
    return _record_set("pictures", "Every picture with its credit and license.", fields)


def _captions(account: Account) -> Json:
    captioner = account.captioner
    agent = plain(f"{captioner['model']} {captioner['revision']}")
    caption: Json = {
        "name": "caption",
        "description": "What the picture shows, in words.",
        "dataType": "sc:Text",
        "source": {"fileSet": {"@id": "txt-files"}, "extract": {"fileProperty": "content"}},
        "prov:wasAttributedTo": {"@type": "prov:SoftwareAgent", "prov:label": agent},
    }
    fields = [_key("txt-files"), caption, *_from_credits("license", "split")]
    return _record_set("captions", "Every picture's caption.", fields)


def _key(file_set: str) -> Json:
    """Return the field that joins the files of shards to the credits: their names without the ending.

    mlcroissant applies the expression twice, so it matches its own result.
    """
    filename = {"fileSet": {"@id": file_set}, "extract": {"fileProperty": "filename"}}
    return {
        "name": "sha256",
        "description": "SHA-256 of the picture as it was fetched; the key of its sample.",
        "dataType": "sc:Text",
        "source": {**filename, "transform": {"regex": "^([0-9a-f]+)"}},
        "references": {"field": {"@id": "credits/sha256"}},
    }


def _from_credits(*names: str) -> list[Json]:
    return [
        {"name": name, "description": text, "dataType": kind, "source": {"field": {"@id": f"credits/{name}"}}}
        for name, kind, text in _CREDIT_FIELDS
        if name in names
    ]
