"""Where everything of a corpus lies on its disk: the one place that spells it; docs/architecture.md lists the same.

Places are relative to the corpus, those in a release to the folder of its version. Nothing here opens a file.
"""

CORPUS_FILE = "corpus.toml"
"""What cannot change, and the config of the last build."""
LOCK = ".lock"
"""The file that is locked by whoever writes in a local corpus."""

RECORDS = "records"
JUDGEMENTS = "judgements"
FETCHING = "fetching"
PACKS = "packs"
FACTS = "facts"
EVALUATION = "evaluation"
SHARDS = "shards"
RELEASES = "releases"
RECHECKS = "rechecks"
BUILDS = "builds"
DENYLIST = "denylist"
RECEIPTS = "receipts"
TAKEDOWNS = "takedowns"
WRITTEN = "written"
FOLDERS = (
    *(RECORDS, JUDGEMENTS, FETCHING, PACKS, FACTS, EVALUATION, SHARDS, RELEASES, RECHECKS, BUILDS),
    *(DENYLIST, RECEIPTS, TAKEDOWNS, WRITTEN),
)
"""Every folder of a corpus."""

ROWS = f"{JUDGEMENTS}/rows"
"""The folder of joined rows."""
SEARCHES = f"{JUDGEMENTS}/search"
"""Scratch of searches for duplicates that are divided; it can be deleted at any time."""
BEATS = f"{JUDGEMENTS}/beats"
"""What workers on other machines tell of themselves while a build runs; it can be deleted at any time."""
SOURCES = f"{JUDGEMENTS}/sources"
"""How the files of sources were when they were read."""

DENYLIST_KEY = f"{DENYLIST}/key"
"""The secret that what was taken down is hashed with."""
PENDING = f"{TAKEDOWNS}/pending.json"
"""What a takedown that was begun and not completed has to do."""
PENDING_PRINTS = f"{TAKEDOWNS}/pending.parquet"

LATEST = "LATEST"
"""The file in a release's folder that names its newest version."""
MANIFEST = "manifest.json"
SUMS = "SHA256SUMS"
POLICY = "policy.json"
SETTINGS_FILE = "settings.json"
CLUSTERS = "clusters.parquet"
VERDICTS = "verdicts"
"""The folder in a version's folder that holds one file a pack."""
WITHDRAWN = "withdrawn.json"
"""The file in the folder of a version that held what was taken down: by which takedown, and which version took its
place."""
WITHDRAWN_SAMPLES = "samples.parquet"
"""The file beside it: shard and key of each of the version's samples, in order, by which checkpoints can still be asked
what they saw."""
PAPERS = (LATEST, MANIFEST, SUMS, POLICY, SETTINGS_FILE, CLUSTERS, WITHDRAWN, WITHDRAWN_SAMPLES)
"""Names of files of a release, and of its versions, that the page lists."""
SHARDS_FROM_RELEASE = f"../../../{SHARDS}/"


def records_of(source: str) -> str:
    """Return the folder of what a source said, by run."""
    return f"{RECORDS}/{source}"


def records_file(source: str, run: str) -> str:
    """Return where the records of a run lie."""
    return f"{records_of(source)}/{run}.parquet"


def claims(pack: str) -> str:
    """Return where the judged claims of a pack lie."""
    return f"{JUDGEMENTS}/claims/{pack}.parquet"


def judged(pack: str) -> str:
    """Return where the verdicts of the build that is at work lie, for a pack; a release has its own (`verdicts`)."""
    return f"{JUDGEMENTS}/verdicts/{pack}.arrow"


def journal(pack: str) -> str:
    """Return the folder of what was fetched of a pack that is not complete."""
    return f"{FETCHING}/{pack}"


def pack_file(name: str) -> str:
    """Return where a file of a pack lies: a tar, an index, img2dataset's numbers."""
    return f"{PACKS}/{name}"


def pack_index(stem: str) -> str:
    """Return where the index of a segment (`<pack>.NNN`) lies."""
    return f"{PACKS}/{stem}.parquet"


def pack_segments(pack: str) -> str:
    """Return how the paths of a pack's segments begin, for `Store.numbered`."""
    return f"{PACKS}/{pack}."


def facts_of(measure: str) -> str:
    """Return the folder of a measure's instruments."""
    return f"{FACTS}/{measure}"


def facts_folder(measure: str, instrument: str) -> str:
    """Return the folder of what an instrument measured."""
    return f"{facts_of(measure)}/{instrument}"


def fact_segments(measure: str, instrument: str, pack: str) -> str:
    """Return how the paths of the segments of a pack's facts begin, for `Store.numbered`."""
    return f"{facts_folder(measure, instrument)}/{pack}."


def evaluation_set(digest: str) -> str:
    """Return where a corpus keeps its copy of an evaluation set."""
    return f"{EVALUATION}/{digest}.parquet"


def shard_file(name: str) -> str:
    """Return where a shard's tar, or what is beside it, lies in the corpus."""
    return f"{SHARDS}/{name}"


def versions_of(name: str) -> str:
    """Return the folder of a release's versions."""
    return f"{RELEASES}/{name}"


def release(name: str, version: str) -> str:
    """Return the folder of a version of a release."""
    return f"{versions_of(name)}/{version}"


def latest(name: str) -> str:
    """Return where the newest version of a release is named."""
    return f"{versions_of(name)}/{LATEST}"


def verdicts(pack: str) -> str:
    """Return where the verdicts of a pack lie in a version of a release."""
    return f"{VERDICTS}/{pack}.parquet"


def rechecks_of(release: str) -> str:
    """Return the folder of what later looks at the pictures of a release found."""
    return f"{RECHECKS}/{release}"


def build_file(name: str) -> str:
    """Return where a corpus says what a build did."""
    return f"{BUILDS}/{name}"


def encoding_file(instrument: str) -> str:
    """Return where a corpus says how fast latents were made by an instrument."""
    return f"{BUILDS}/{instrument}.json"


def receipt_file(name: str) -> str:
    """Return where what became of a takedown lies, or what is beside it."""
    return f"{RECEIPTS}/{name}"


def denylist_file(takedown: str) -> str:
    """Return where the keyed hashes of a takedown lie."""
    return f"{DENYLIST}/{takedown}.parquet"


def written_file(name: str) -> str:
    """Return where a place outside of the corpus is noted."""
    return f"{WRITTEN}/{name}"
