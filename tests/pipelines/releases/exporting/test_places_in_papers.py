"""Where the papers of an export say that its files lie."""

from byline.pipelines.releases.exporting.places import from_export, in_export


def test_a_card_of_rows_is_changed_back_to_the_byte():
    card = b'---\npretty_name: "parquet"\ntags: ["image", "text", "webdataset", "croissant"]\n'
    card += b'configs: [{"path": ["shards/a-heldout-b-train-0.tar", "shards/*-train-??.tar"]}]\n---\n'
    card += b'\n## How to load it\n\nFrom "shards/a-train-b.tar"'
    placed = in_export("README.md", card, "parquet")
    assert b'"data/train/a-heldout-b-train-0.parquet", "data/train/*-train-??.parquet"' in placed
    assert b"load_dataset" in placed
    assert placed.endswith(b'From "shards/a-train-b.tar"')
    assert from_export("README.md", placed, "parquet") == card


def test_a_place_is_changed_where_a_paper_names_one_and_nowhere_else():
    said = b'{"contentUrl": "../../../shards/a.tar", "name": "\\"contentUrl\\": \\"../../../shards/"}'
    placed = in_export("croissant.json", said)
    assert placed == said.replace(b'"../../../shards/a.tar"', b'"shards/a.tar"')
    assert from_export("croissant.json", placed) == said
    assert in_export("README.md", said) == said
    assert from_export("croissant.json", said + placed) == said + placed
