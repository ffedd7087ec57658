"""What was taken down and must not come back."""
