"""Which models the key may use, and until when: asked once per process, in the background, and only ever a warning."""

import asyncio
import logging
from datetime import date

from ..catalog.ending import ending
from ..catalog.models import Catalog
from ..errors import ImagegenError
from ..openai_api.client import OpenAIClient
from ..openai_api.hosts import SETTING

log = logging.getLogger(__name__)


class Availability:
    """What `GET /v1/models` says. Until it has answered, and where it cannot be asked, nothing is known."""

    def __init__(self, client: OpenAIClient) -> None:
        self._client = client
        self._asking: asyncio.Task[None] | None = None
        self._listed: dict[str, date | None] = {}

    def ask(self) -> None:
        """Ask the provider, unless this process already did; returns at once and never fails."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask(), name="availability of models")

    async def _ask(self) -> None:
        try:
            models = await self._client.models()
        except ImagegenError as error:
            log.info("the provider does not say which models it has: %s", error)
            return
        # Gateways put the maker before the name: openai/gpt-image-2.
        self._listed = {name.rpartition("/")[2]: ends for name, ends in models.items()} | models

    def listed(self, model: str) -> bool | None:
        """Whether the provider lists the model to this key; None where that is not known."""
        return model in self._listed if self._listed else None

    def ends(self, model: str) -> date | None:
        """The first day without the model, where the provider names one."""
        return self._listed.get(model)

    def refined(self, catalog: Catalog, today: date) -> Catalog:
        """The catalog with the ends that the provider names."""
        return catalog.refined(self.ends, today)

    def warnings(self, model: str, host: str | None, *, catalog: Catalog, today: date) -> tuple[str, ...]:
        """For the models of a call: that the key does not see one, or that the image model ends of which the catalog
        knows nothing."""
        named = {model: model, host: f"{host}, which hosts the image tool ({SETTING})"}
        unseen = [said for name, said in named.items() if name is not None and self.listed(name) is False]
        day = self.ends(model) if catalog.find(model) is None else None
        return (
            *(f"the key does not list {name}; the provider may refuse it" for name in unseen),
            *(ending(model, day, today) if day is not None else ()),
        )

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})
