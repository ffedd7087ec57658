"""What a corpus is made of: records, packs, facts, manifests."""
