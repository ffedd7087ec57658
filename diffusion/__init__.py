"""What the model is: pixels, autoencoder, text encoder, noise, networks, samplers. Trains nothing."""
