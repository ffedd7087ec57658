"""Speed, measured: each file compares us with a peer in one run and writes its section of RESULTS.md."""
