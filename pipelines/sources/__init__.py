"""What people have becomes records: readers, harvests, and the runs that ingest them."""
