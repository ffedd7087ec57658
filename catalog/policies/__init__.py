"""What may enter a release: rules that are data, and how they are applied."""
