"""The batch pipelines, in rooms: sources and fetching, facts, judging, releases, rights, corpora, and Beam on top."""
