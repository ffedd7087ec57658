"""What people ask of a release: what a policy would change, where a picture is, and to take it out."""
