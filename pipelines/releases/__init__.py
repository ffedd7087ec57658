"""Write what was judged: shards, papers, manifest; check it, export it, make it again. Loads no Beam."""
