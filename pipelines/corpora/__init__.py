"""What a corpus is built from: its config, the settings that follow from it, and what extends them."""
