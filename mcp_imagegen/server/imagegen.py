"""MCPServer with this project's tools, its refusals, and services that are built on first use.

Only the SDK, the settings and the tools' signatures are imported here: a start costs little more than the SDK's.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from mcp import MCPError
from mcp.server import CacheHint, MCPServer
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import UnexpectedToolError
from mcp.types import INTERNAL_ERROR, INVALID_PARAMS, CallToolResult, InputRequiredResult, Resource, ResourceTemplate
from mcp.types import Tool as ListedTool

from ..errors import ImagegenError
from ..settings import Settings
from ..tools import results
from ..tools.arguments import operation_of
from ..tools.confirming import NeedsAnswer
from ..tools.every import TOOLS
from ..tools.tool import Backend, Tool
from . import resources
from .backend import LazyBackend

INSTRUCTIONS = (
    "Images with OpenAI's models. Every generate_image and edit_image opens a thread and returns its thread_id: to "
    "change that picture again use continue_image_thread with it. Paid calls cost money: use estimate_cost when the "
    "price matters. When a status is in_progress, collect it with get_image_thread."
)
_HOUR = CacheHint(ttl_ms=3_600_000, scope="public")


def utc_now() -> datetime:
    return datetime.now(UTC)


class ImagegenServer(MCPServer[LazyBackend]):
    """The server of one process; `local` says whether its clients see the same disk (stdio)."""

    def __init__(
        self,
        settings: Settings,
        *,
        local: bool,
        now: Callable[[], datetime] = utc_now,
        tools: tuple[Tool, ...] = TOOLS,
    ) -> None:
        self._backend: LazyBackend | None = None

        @asynccontextmanager
        async def lifespan(_: MCPServer[LazyBackend]) -> AsyncIterator[LazyBackend]:
            self._backend = backend = LazyBackend(settings, local=local, now=now)
            try:
                yield backend
            finally:
                await backend.aclose()

        super().__init__(
            "mcp-imagegen",
            title="Image generation",
            description="Generate, edit and continue images with OpenAI's models, and know the price.",
            instructions=INSTRUCTIONS,
            version=version("mcp-imagegen"),
            lifespan=lifespan,
            log_level=settings.log_level,
            cache_hints={"tools/list": _HOUR, "resources/list": _HOUR, "resources/templates/list": _HOUR},
        )
        self._offered = {tool.name: tool for tool in tools}
        self._listed = [tool.listed(structured=settings.structured_output) for tool in tools]

    @property
    def busy(self) -> bool:
        """Whether paid calls run in this process."""
        return self._backend is not None and self._backend.busy

    def hand_over(self) -> bool:
        """Answer whoever waits for a paid call, because the server is about to end; False where nobody is answered."""
        return self._backend is not None and self._backend.hand_over()

    async def run_over(self, read: Any, write: Any) -> None:
        """Serve one client over the streams of a transport; returns at the end of `read`."""
        await self._lowlevel_server.run(read, write, self._lowlevel_server.create_initialization_options())

    async def list_tools(self) -> list[ListedTool]:
        if self._backend is not None:
            self._backend.warm_up()
        return self._listed

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[LazyBackend, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        """Raises MCPError for an unknown tool; every other failure is a result with a code. A question to the user is a
        result of its own."""
        tool = self._offered.get(name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {name[:128]}")
        try:
            operation = operation_of(tool, arguments)
            context, backend = _within(context)
            return await tool.handler(operation, context, backend)
        except NeedsAnswer as asked:
            return asked.result
        except ImagegenError as error:
            return results.refused(error)
        except MCPError:
            raise
        except Exception as error:  # the SDK logs the cause and shows only this text
            raise UnexpectedToolError(
                f"internal_error: {name} failed inside the server\nTo fix: look at the server's log, then try again"
            ) from error

    async def list_resources(self) -> list[Resource]:
        return resources.LISTED

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        return resources.TEMPLATES

    async def read_resource(
        self, uri: Any, context: Context[LazyBackend, Any] | None = None
    ) -> Iterable[ReadResourceContents]:
        """Raises ResourceNotFoundError for what does not exist or is somebody else's, MCPError when the state cannot be
        opened or read."""
        context, backend = _within(context)
        try:
            return [await resources.read(str(uri), backend.caller(context), backend)]
        except ImagegenError as error:
            raise MCPError(INTERNAL_ERROR, f"{error}. To fix: {error.fix}") from None


def _within(context: Context[LazyBackend, Any] | None) -> tuple[Context[LazyBackend, Any], Backend]:
    if context is None:
        raise RuntimeError("tools and resources are served to clients only, within a request")
    return context, context.request_context.lifespan_context
