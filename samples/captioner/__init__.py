"""How samples/models/tiny-blip2 was made: its pictures, its training, its measurement."""
