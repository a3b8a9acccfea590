"""Pictures that an answer only links to. They are paid for, and asking for them costs nothing: it is done again where
that may help."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import httpx2

from ..errors import UpstreamInvalid, UpstreamTimeout
from .answer import Answer
from .provider import Provider, origin
from .requests import Outgoing
from .retries import Tell, Tries, attempts

REDIRECTS = 3

Fetch = Callable[[str], Awaitable[bytes]]


def place(link: str, base: str) -> str:
    """Where a link leads to from `base`, without its query and whatever else may be secret in it."""
    try:
        url = httpx2.URL(base).join(link)
    except httpx2.InvalidURL:
        return "a link that is no URL"
    return origin(url) + url.path


@dataclass(frozen=True)
class Links:
    """Follows links: at the provider's own origin by `exchange`, with the key; at any other by `fetch`, which is
    guarded."""

    provider: Provider
    exchange: Callable[[Outgoing, httpx2.URL], AbstractAsyncContextManager[Answer]]
    fetch: Fetch | None

    async def picture(self, link: str, tell: Tell) -> bytes:
        """The bytes behind a link. `tell` hears of every wait before it is asked for again. Raises ImagegenError."""
        for _ in range(REDIRECTS + 1):
            found = await self._tried(link, tell)
            if isinstance(found, bytes):
                return found
            link = found
        raise UpstreamInvalid(f"its link redirects more than {REDIRECTS} times", self._check)

    @property
    def _check(self) -> str:
        return f"check {self.provider.address_name}"

    async def _tried(self, link: str, tell: Tell) -> bytes | str:
        """The picture, or the link that the provider has for it instead."""
        url, tries = self.provider.linked(link), Tries(tell)
        async for attempt in attempts(tries):
            await tries.begin()
            with attempt:
                found = await self._fetched(link) if url is None else await self._asked(url)
        return found

    async def _asked(self, url: httpx2.URL) -> bytes | str:
        asking = Outgoing("GET", url.path, headers={"Accept": "*/*"}, linked=True)
        try:
            async with self.exchange(asking, url) as answer:
                place = answer.redirection
                return await answer.body() if place is None else str(url.join(place))
        except UpstreamTimeout as error:
            error.welcome_again = True
            raise
        except httpx2.InvalidURL:
            raise UpstreamInvalid("its link redirects to what is no URL", self._check) from None

    async def _fetched(self, link: str) -> bytes:
        if self.fetch is None:
            raise UpstreamInvalid("it is not at the provider's own address", self._check)
        return await self.fetch(link)
