"""What the page of duplicates says in words: of which kind a copy is, and why its keeper was kept."""

from collections.abc import Callable, Iterable

from byline.catalog.policies.policy import Policy, license_rank
from byline.pipelines.releases.papers.licenses import license_words
from byline.pipelines.rights.duplicates.collecting import Picture

SAME_BYTES = "duplicate:same-bytes"
LAST = "by digest: equal in all else"
NOT_KNOWN = "not known"
Compared = tuple[bool, bool, str]
"""Whether the keeper is ahead, whether the two are equal, and what to say when they are not."""


def kind_of(copy: Picture, keeper: Picture | None) -> str:
    """Return `same bytes`, `same pixels` or `near`: what a copy has in common with its keeper."""
    if keeper is None:
        return NOT_KNOWN
    if copy.sha256 and copy.sha256 == keeper.sha256:
        return "same bytes"
    return "same pixels" if copy.pixels and copy.pixels == keeper.pixels else "near"


def why_kept(keeper: Picture, copy: Picture, others: Iterable[Picture], policy: Policy) -> str:
    """Return the first thing in the policy's `keeper_order` by which the keeper is ahead of a copy.

    A copy with the bytes of another one counts as that one: see `pipelines.judging.resolving`.
    """
    if copy.sha256 == keeper.sha256:
        ahead, equal, text = _license(keeper, copy, policy)
        return text if ahead and not equal else "by record id: same bytes, license wanted as much"
    if SAME_BYTES in copy.reasons:
        for other in others:
            if other.sha256 == copy.sha256 and SAME_BYTES not in other.reasons:
                return f"{_first_ahead(keeper, other, policy)} (as {other.record_id}, which has its very bytes)"
    return _first_ahead(keeper, copy, policy)


def _first_ahead(keeper: Picture, copy: Picture, policy: Policy) -> str:
    for key in policy.duplicates.keeper_order:
        ahead, equal, text = _KEYS[key](keeper, copy, policy)
        if not equal:
            return text if ahead else f"measures have changed since the release was made ({key})"
    return LAST


def _license(keeper: Picture, copy: Picture, policy: Policy) -> Compared:
    ranks = [license_rank(picture.license, policy.license) for picture in (keeper, copy)]
    text = f"more wanted license: {license_words(keeper.license)} before {license_words(copy.license)}"
    return ranks[0] < ranks[1], ranks[0] == ranks[1], text


def _pixels(keeper: Picture, copy: Picture, _: Policy) -> Compared:
    ahead, equal = _more(_num_pixels(keeper), _num_pixels(copy))
    return ahead, equal, f"more pixels: {size_text(keeper)} against {size_text(copy)}"


def _sharpness(keeper: Picture, copy: Picture, _: Policy) -> Compared:
    ahead, equal = _more(keeper.sharpness, copy.sharpness)
    return ahead, equal, f"sharper: {_apart(keeper.sharpness, copy.sharpness)}"


def _earliest(keeper: Picture, copy: Picture, _: Policy) -> Compared:
    own, its = keeper.retrieved_at, copy.retrieved_at
    ahead = own is not None and (its is None or own < its)
    return ahead, own == its, f"retrieved earlier: {own or NOT_KNOWN} against {its or NOT_KNOWN}"


_KEYS: dict[str, Callable[[Picture, Picture, Policy], Compared]] = {
    "license": _license,
    "pixels": _pixels,
    "sharpness": _sharpness,
    "earliest": _earliest,
}
"""Every key that `DuplicateRules.keeper_order` may have."""


def size_text(picture: Picture) -> str:
    """Return the size of a picture as its source offers it."""
    if picture.original_width is None or picture.original_height is None:
        return NOT_KNOWN
    return f"{picture.original_width}x{picture.original_height}"


def _num_pixels(picture: Picture) -> float | None:
    if picture.original_width is None or picture.original_height is None:
        return None
    return float(picture.original_width) * picture.original_height


def _more(own: float | None, its: float | None) -> tuple[bool, bool]:
    """Tell whether the first is greater, and whether both are equal; what is missing comes last."""
    return own is not None and (its is None or own > its), own == its


def _apart(own: float | None, its: float | None) -> str:
    """Return two numbers with as few digits as tell them apart."""
    if own is None or its is None:
        return " against ".join(NOT_KNOWN if number is None else f"{number:,.0f}" for number in (own, its))
    digits = next((digits for digits in range(12) if f"{own:.{digits}f}" != f"{its:.{digits}f}"), 17)
    return f"{own:,.{digits}f} against {its:,.{digits}f}"
