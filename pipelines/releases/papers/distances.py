"""How far a copy is from its keeper: in words, and in order."""


def distance_text(distance_bits: int | None, view: str | None = None, cosine: float | None = None) -> str:
    """Return how near two pictures are: `6 bits`, `6 bits, turned`, `cosine 0.91`. The one place that says it.

    `view` is how they had to be looked at for that, as verdicts name it.
    """
    if distance_bits is None:
        return "distance not known" if cosine is None else f"cosine {cosine:.2f}"
    bits = "1 bit" if distance_bits == 1 else f"{distance_bits:,} bits"
    return bits if view in (None, "upright") else f"{bits}, {view}"


def nearest_first(distance_bits: int | None, cosine: float | None = None) -> tuple[bool, float]:
    """Return a key to sort by: what hashes find by distance, then what an embedding finds, the most alike first."""
    return (False, distance_bits) if distance_bits is not None else (True, -(cosine or 0.0))
