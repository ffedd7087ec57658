"""What a release says of its records."""

from byline.catalog.corpora.manifest import shard_table_path


def captions_of(release):
    tables = [release.store.read_table(shard_table_path(shard.name)) for shard in release.manifest.shards]
    return {row["record_id"]: row["caption"] for table in tables for row in table.to_pylist()}


def verdicts_of(release):
    store = release.store
    names = store.files(f"{release.path}/verdicts")
    rows = [row for name in names for row in store.read_table(f"{release.path}/verdicts/{name}").to_pylist()]
    return {row["record_id"]: row for row in rows}
