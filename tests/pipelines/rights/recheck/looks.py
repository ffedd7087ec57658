"""Rechecks of the corpora of these tests, and what is found when their web changes."""

from datetime import timedelta

from byline.catalog.corpora.manifest import Release
from byline.catalog.corpora.rechecks import read_checks
from byline.pipelines.rights.recheck.running import recheck
from tests.builders import a_picture, encoded
from tests.pipelines.rights.recheck.web import NUM_COMMONS, NUM_OPENVERSE, NUM_YFCC, Page

ALL = NUM_YFCC + NUM_COMMONS + NUM_OPENVERSE
NC = {"License": "cc-by-nc-4.0", "LicenseShortName": "CC BY-NC 4.0"}
DAY = timedelta(days=1)


FOUND = {
    "test:0": "removed",
    "test:1": "removed",
    "test:2": "opted-out",
    "test:3": "changed",
    "test:4": "unreachable",
    "test:5": "unreachable",
    "test:6": "unchanged",
    "test:7": "unchanged",
    "commons:M1": "relicensed",
    "commons:M2": "removed",
    "commons:M3": "unchanged",
    "openverse:id0": "relicensed",
    "openverse:id1": "removed",
}


def release_of(config):
    return Release(str(config.parent / "corpus/releases/small"))


def apis_on(web):
    return {"commons": f"{web.base}/w/api.php", "openverse": web.base}


def recheck_now(release, **options):
    return recheck(release, **{"budget": 1000, "older_than": DAY, "bases": {}, **options})


def reasons_in(release):
    return {
        row["record_id"]: row["reasons"]
        for name in release.manifest.papers
        if name.startswith("verdicts/")
        for row in release.store.read_table(f"{release.path}/{name}").to_pylist()
        if row["reasons"]
    }


def checks_of(release):
    packs = [name.removeprefix("verdicts/").removesuffix(".parquet") for name in release.manifest.papers]
    return [row for pack in packs for row in read_checks(release.store, pack).to_pylist()]


def change(web):
    """Let the world go on: removed, gone, opted out, changed, down; relicensed and deleted at the sources."""
    del web.pages["/y0.jpg"]
    web.pages["/y1.jpg"].status = 410
    web.pages["/y2.jpg"].headers["X-Robots-Tag"] = "noai"
    web.pages["/y3.jpg"] = Page(encoded(a_picture(99)))
    web.pages["/y4.jpg"].status = 503
    web.pages["/y5.jpg"].status = 403
    web.commons["1"] = NC
    web.commons["2"] = None
    web.openverse["id0"] |= {"license": "by-nc", "license_url": "https://creativecommons.org/licenses/by-nc/4.0/"}
    del web.openverse["id1"]
