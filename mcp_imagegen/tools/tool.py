"""What a tool is: a name, the operation whose fields are its arguments, and a handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, ToolAnnotations
from mcp.types import Tool as ListedTool
from pydantic import BaseModel

from ..operations import Caller, Operation
from ..settings import Settings
from .listed import input_schema, output_schema

if TYPE_CHECKING:
    from ..services import Services
    from .confirming import Answers

SPENDS = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=True)
READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)


class Backend(Protocol):
    """What a handler needs of the server it runs in."""

    settings: Settings
    local: bool  # whether the client sees the same disk
    answers: "Answers"

    async def services(self) -> "Services":
        """The services, built on first use. Raises StorageFailed."""
        ...

    def caller(self, context: Context[Any, Any]) -> Caller:
        """Who makes this call."""
        ...


Handler = Callable[[Any, Context[Any, Any], Backend], Awaitable[CallToolResult]]


@dataclass(frozen=True)
class Tool:
    name: str
    title: str
    operation: type[Operation]
    answer: type[BaseModel]
    handler: Handler
    annotations: ToolAnnotations

    def listed(self, *, structured: bool) -> ListedTool:
        """The form that clients see."""
        schema = input_schema(self.operation)
        return ListedTool(
            name=self.name,
            title=self.title,
            description=schema.pop("description"),
            annotations=self.annotations,
            input_schema=schema,
            output_schema=output_schema(self.answer) if structured else None,
        )
