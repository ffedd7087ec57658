"""A copy-detection embedding: crops, overlays and collages, which no hash finds. Knows neither Beam nor the policy."""
