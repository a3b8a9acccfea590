"""The resources: originals and thread trees by id, the tables of models and prices, and what was spent.

Images are reached through a template, never listed: a list that grew with each call would change under its readers.
"""

import asyncio
import json
import re
from typing import TYPE_CHECKING

from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp.types import Resource, ResourceTemplate

from ..errors import NotKnown
from ..operations import Caller
from ..tools.answers import facts
from ..tools.get_image_thread import thread_answer
from ..tools.paid import where_of
from ..tools.tool import Backend

if TYPE_CHECKING:
    from ..services import Services

TEMPLATES = [
    ResourceTemplate(
        uri_template="image://{image_id}",
        name="image",
        title="Image",
        description="The original of an image made here, byte for byte.",
    ),
    ResourceTemplate(
        uri_template="thread://{thread_id}",
        name="thread",
        title="Image thread",
        description="The turns, images and costs of a thread.",
        mime_type="application/json",
    ),
]
TABLES = [
    Resource(
        uri="imagegen://models",
        name="models",
        title="Image models",
        description="What each model takes, with its dates and sources, and when host models end.",
        mime_type="application/json",
    ),
    Resource(
        uri="imagegen://prices",
        name="prices",
        title="Prices",
        description="The price rows in use, in USD per million tokens, with their dates and sources.",
        mime_type="application/json",
    ),
]
SPEND = Resource(
    uri="imagegen://spend",
    name="spend",
    title="Spend",
    description="What your calls cost by day, model, thread and client, and how far off estimates were; sandbox apart.",
    mime_type="application/json",
)
LISTED = [*TABLES, SPEND]
_BY_ID = re.compile(r"image://(img_[0-9a-f]{32})|thread://(thr_[0-9a-f]{32})")


async def read(uri: str, caller: Caller, backend: Backend) -> ReadResourceContents:
    """Raises ResourceNotFoundError for what does not exist or is somebody else's."""
    services = await backend.services()
    if uri in {table.uri for table in TABLES}:
        text = await asyncio.to_thread(_table, services, uri)
        return ReadResourceContents(content=text, mime_type="application/json")
    if uri == SPEND.uri:
        spent = json.dumps(await services.looking.spent(caller), ensure_ascii=False, indent=1)
        return ReadResourceContents(content=spent, mime_type="application/json")
    named = _BY_ID.fullmatch(uri)
    if named is None:
        raise ResourceNotFoundError(f"Unknown resource: {uri[:200]}")
    image_id, thread_id = named.groups()
    try:
        if image_id:
            data, mime_type = await services.looking.original(image_id, caller)
            return ReadResourceContents(content=data, mime_type=mime_type)
        thread = await services.looking.thread(thread_id, caller)
    except NotKnown as error:
        raise ResourceNotFoundError(f"{error.code}: {error.sentence}") from None
    tree = json.dumps(facts(thread_answer(thread, where_of(services, backend))), ensure_ascii=False, indent=1)
    return ReadResourceContents(content=tree, mime_type="application/json")


def _table(services: "Services", uri: str) -> str:
    table = services.models() if uri == "imagegen://models" else services.prices()
    return json.dumps(table, ensure_ascii=False, indent=1, default=str)
