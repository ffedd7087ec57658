"""The fields of Croissant's RAI extension 1.0, filled from counts, instruments and the policy."""

from typing import Any

from byline.pipelines.releases.papers.account import Account
from byline.pipelines.releases.papers.escaping import plain
from byline.pipelines.releases.papers.wording import READERS, TAKEDOWN, captions_by, refusals, rules

_COLLECTION_TYPES = {"commons": "Web API", "openverse": "Web API", "yfcc": "Secondary Data analysis"}
"""Reader -> one of the values that the extension recommends."""


def responsible_ai(account: Account) -> dict[str, Any]:
    """Return the `rai:` fields. A field that nothing counted could fill is left out."""
    counts = account.manifest.counts
    fields: dict[str, Any] = {
        "rai:dataCollection": _collection(account),
        "rai:dataCollectionType": _types(account),
        "rai:dataCollectionRawData": "; ".join(
            f"{plain(source.name)}: {source.num_records:,} records from {_read_by(source.reader)}"
            for source in account.sources
        ),
        "rai:dataCollectionMissingData": _refused(account),
        "rai:dataCollectionTimeframe": list(account.timeframe or ()),
        "rai:dataPreprocessingProtocol": [
            f"Each picture was changed: {plain(account.changes)}.",
            *(f"{measure}: {plain(name)}" for measure, name in sorted(account.manifest.instruments.items())),
            *(f"policy: {key} = {value}" for key, value in rules(account.policy)),
        ],
        "rai:dataAnnotationProtocol": captions_by(account),
        "rai:annotationsPerItem": "1 caption",
        "rai:machineAnnotationTools": [f"{tool.name} ({tool.license})" for tool in _captioners(account)],
        "rai:dataUseCases": [
            f"Training of text-to-image models: {counts['train']:,} samples",
            f"Measuring them on pictures that were held out: {counts['heldout']:,} samples",
        ],
        "rai:dataLimitations": limitations(account),
        "rai:personalSensitiveInformation": personal(account),
        "rai:dataReleaseMaintenancePlan": TAKEDOWN,
    }
    return {name: value for name, value in fields.items() if value}


def limitations(account: Account) -> list[str]:
    """Return what is not known of the release, as sentences."""
    wrote = "a model that can be wrong" if account.has_model_captions else "the sources, of any language and quality"
    return [
        "A license is what the source states, read by rule; nobody asked the creators.",
        f"Captions are by {wrote}; nobody compared them with the pictures.",
        "Subjects, places, people and languages are those of the sources, and were not balanced or measured.",
        "Two pictures are duplicates by the policy's distance of hashes and colors; crops and edits can remain.",
    ]


def personal(account: Account) -> list[str]:
    """Return what of people is in the release, as sentences."""
    measured = "safety" in account.manifest.instruments
    stated = len([name for name in account.credits["creator"].to_pylist() if plain(name)])
    return [
        f"Names of creators, which their licenses ask for: {stated:,} pictures have one.",
        "Pictures can show people; faces and other attributes of people were not detected, counted or blurred.",
        "A safety instrument scored the pictures." if measured else "No safety instrument scored the pictures.",
        "Coordinates and camera data of the originals are not in the release.",
    ]


def _collection(account: Account) -> str:
    counts = account.manifest.counts
    return (
        f"{counts['records']:,} records of {len(account.sources)} sources were read and their licenses judged; "
        f"what a policy admits was fetched from the URLs that records name: {counts['images']:,} distinct pictures. "
        f"{counts['admitted']:,} were admitted by license, credit, picture and caption; {counts['refused']:,} were "
        f"refused, each with its reasons."
    )


def _types(account: Account) -> list[str]:
    types = {_COLLECTION_TYPES.get(source.reader, "Others") for source in account.sources}
    return sorted(types | {"Software Collection"})


def _read_by(reader: str) -> str:
    return READERS.get(reader, f"reader {plain(reader)}")


def _refused(account: Account) -> str:
    listed = "; ".join(f"{plain(reason)}: {count:,}" for reason, count, _ in refusals(account))
    return f"Records refused, by reason (a record can have several): {listed}." if listed else "No record was refused."


def _captioners(account: Account) -> list[Any]:
    return [tool for tool in account.tools if tool.role == "captioner"]
