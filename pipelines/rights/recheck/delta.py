"""What became of the pictures of a release, as far as anybody looked: what the next build applies."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from byline.catalog.consent import read_consent
from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.rechecks import DELTA, Finding, newest_findings
from byline.catalog.disk import layout
from byline.catalog.disk.json_files import write_json
from byline.pipelines.rights.recheck.asking import relicensed
from byline.pipelines.rights.recheck.due import admitted_parts, admitted_rows

NEVER = "never looked at"


def delta_path(release: Release) -> str:
    """Where the delta of a version lies."""
    return f"{layout.rechecks_of(release.name)}/{release.version}{DELTA}"


def delta_of(release: Release) -> dict[str, Any]:
    """Return what was found of the pictures that a version of a release ships, by finding, sorted by record.

    By all checks so far, not by those of one sweep: so it does not depend on where a sweep was stopped.
    """
    counts: Counter[str] = Counter()
    removed: list[str] = []
    changed: list[str] = []
    opted_out: list[dict[str, str]] = []
    licenses: list[dict[str, str]] = []
    for part in admitted_parts(release):
        records = part.read_records(release.store, ["record_id", "url", "license_claims"])
        records = records.take(pa.array(admitted_rows(release, part, records)))
        findings = newest_findings(release.store, part.pack, records)
        is_known = findings["recheck"].is_valid()
        counts[NEVER] += len(records) - (pc.sum(is_known).as_py() or 0)
        records, findings = records.filter(is_known), findings.filter(is_known)
        for record, now in zip(records.to_pylist(), findings.to_pylist(), strict=True):
            record_id, finding = record["record_id"], now["recheck"]
            counts[finding] += 1
            if finding == Finding.REMOVED:
                removed.append(record_id)
            if finding == Finding.CHANGED:
                changed.append(record_id)
            if (reading := read_consent(now["recheck_consent"])).state == "opted-out":
                opted_out.append({"record_id": record_id, "rule": reading.rule})
            claims = now["recheck_claims"]
            if claims is not None and (licensed := relicensed(record["license_claims"], claims)) is not None:
                licenses.append({"record_id": record_id, "before": licensed[0], "now": licensed[1]})
    return {
        "release": f"{release.name}/{release.version}",
        "findings": dict(sorted(counts.items())),
        "removed": sorted(removed),
        "opted-out": sorted(opted_out, key=lambda entry: entry["record_id"]),
        "relicensed": sorted(licenses, key=lambda entry: entry["record_id"]),
        "changed": sorted(changed),
    }


def write_delta(release: Release) -> dict[str, Any]:
    """Write the delta of a version in place of an earlier one, and return it."""
    delta = delta_of(release)
    write_json(release.store, delta_path(release), delta)
    return delta
