"""What is a duplicate: perceptual hashes, quality, neighbors, clusters. Knows neither Beam nor the policy."""
