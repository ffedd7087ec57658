"""Names that are looked up once by all who share: DNS answers are kept as what hosts say of themselves is."""

import socket
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

from byline.pipelines.fetching.transport.addresses import DNS_CACHE_S
from byline.pipelines.fetching.transport.sharing import Shared


class SharedResolver(AbstractResolver):
    """Asks `resolver` for the addresses of a name that nobody of those who share has looked up of late."""

    def __init__(self, shared: Shared, resolver: AbstractResolver) -> None:
        self._shared, self._resolver = shared, resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. What cannot be looked up is not kept: the next one tries."""
        async with self._shared.turn("names", f"{host} {int(family)}", max_age_s=DNS_CACHE_S) as turn:
            if turn.kept is not None:
                return [_result(host, port, **address) for address in turn.kept["addresses"]]
            results = await self._resolver.resolve(host, port, family)
            turn.keep({"addresses": [_address(**result) for result in results]})
            return results

    async def close(self) -> None:
        """Close the resolver that asks."""
        await self._resolver.close()


def _address(*, host: str, family: int, proto: int, flags: int, **_: Any) -> dict[str, Any]:
    return {"host": host, "family": int(family), "proto": int(proto), "flags": int(flags)}


def _result(hostname: str, port: int, *, host: str, family: int, proto: int, flags: int) -> ResolveResult:
    return ResolveResult(
        hostname=hostname, host=host, port=port, family=socket.AddressFamily(family), proto=proto, flags=flags
    )
