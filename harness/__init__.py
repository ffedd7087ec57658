"""What both tests and benchmarks stand on: a web of many hosts, pictures, edits of pictures, builds that are killed."""
