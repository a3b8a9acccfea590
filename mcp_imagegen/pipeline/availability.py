"""Which models the key may use: asked once per process, in the background, and only ever a warning."""

import asyncio
import logging

from ..errors import ImagegenError
from ..openai_api.client import OpenAIClient

log = logging.getLogger(__name__)


class Availability:
    """What `GET /v1/models` says. Until it has answered, and where it cannot be asked, nothing is known."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client
        self._asking: asyncio.Task[None] | None = None
        self._listed: frozenset[str] = frozenset()

    def ask(self) -> None:
        """Ask the provider, unless this process already did; returns at once and never fails."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="availability of models")

    async def _ask(self) -> None:
        try:
            names = await self._client.models()
        except ImagegenError as error:
            log.info("the provider does not say which models it has: %s", error)
            return
        # Gateways put the maker before the name: openai/gpt-image-2.
        self._listed = frozenset(part for name in names for part in (name, name.rpartition("/")[2]))

    def listed(self, model: str) -> bool | None:
        """Whether the provider lists the model to this key; None where that is not known."""
        return model in self._listed if self._listed else None

    def warnings(self, *models: str | None) -> tuple[str, ...]:
        """One for each model of a call that the key does not see."""
        unseen = [model for model in models if model is not None and self.listed(model) is False]
        return tuple(f"the key does not list {model}; the provider may refuse it" for model in unseen)

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
