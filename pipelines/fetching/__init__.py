"""Fetching a pack: which request goes when, what a kill may cost, and what becomes of an answer."""
