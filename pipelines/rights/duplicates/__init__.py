"""Which pictures of a release count as one, and why one of them was kept: the page of duplicates."""
