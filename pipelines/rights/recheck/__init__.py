"""Look again at where the pictures of a release came from: what was removed, opted out, relicensed or changed since."""
