"""What would change, and what did: plans of a build, and the difference of two releases. Loads no Beam."""
