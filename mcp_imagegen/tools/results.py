"""Where an outcome or an error becomes a CallToolResult: nothing else builds one.

Every result holds its facts twice, as structured content and as text, because some clients show a model only one of
the two. No base64 is in either; previews are small, originals are links.
"""

import base64
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mcp.types import Annotations, CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent
from pydantic import BaseModel

from ..errors import ImagegenError
from .answers import facts

if TYPE_CHECKING:
    from ..images.preview import Preview
    from ..threads.values import StoredImage

SANDBOX = "Sandbox pictures, drawn locally: nothing is sent to OpenAI and nothing is billed."
# Clients refuse results over a million characters when serialised; previews take up to 670,000 of them as base64.
FACTS_CHARACTERS = 250_000  # structured content and text together
TEXT_LIMITS = (4_000, 1_000, 200, 40)  # characters of one text, and records of a list, as strict as it takes
NANO = 10**9
BOTH = Annotations(audience=["user", "assistant"])
USER = Annotations(audience=["user"])


def usd(nano: int | None) -> float | None:
    """An amount of 10^-9 USD as the USD of a JSON number."""
    return None if nano is None else nano / NANO


def image_uri(image_id: str) -> str:
    return f"image://{image_id}"


def answered(
    answer: BaseModel,
    *,
    structured: bool,
    headline: str = "",
    previews: "Sequence[Preview]" = (),
    originals: "Sequence[StoredImage]" = (),
) -> CallToolResult:
    """The answer as structured content and text, with previews and links to the originals."""
    values, text = _fitting(facts(answer), headline)
    content: list[ContentBlock] = [TextContent(text=text, annotations=BOTH)]
    content += [_shown(preview) for preview in previews]
    content += [_link(image) for image in originals]
    return CallToolResult(content=content, structured_content=values if structured else None)


def _fitting(values: dict[str, Any], headline: str) -> tuple[dict[str, Any], str]:
    """The facts and their text, with long texts cut as far as it takes for the result to be accepted by clients."""
    for longest in (None, *TEXT_LIMITS):
        shown = values if longest is None else _cut(values, longest)
        text = "\n".join([*([headline] if headline else []), *_lines(shown)])
        if len(json.dumps(text)) + len(json.dumps(shown)) <= FACTS_CHARACTERS:
            break
    return shown, text


def _cut(value: Any, longest: int) -> Any:
    """The same value with every text cut to `longest` characters, and every list of records to as many at its end."""
    match value:
        case str() if len(value) > longest:
            return f"{value[:longest]}… ({len(value):,} characters)"
        case dict():
            return {name: _cut(one, longest) for name, one in value.items()}
        case list():
            return [_cut(one, longest) for one in value[-longest:]]
    return value


def refused(error: ImagegenError) -> CallToolResult:
    """An error as a model reads it: the code and the sentence, the way out, what it may have cost, and what was
    warned of before it was sent."""
    lines = [f"{error.code}: {error.sentence}", f"To fix: {error.fix}"]
    if error.request_id:
        lines.append(f"Request id: {error.request_id}")
    if error.may_be_billed:
        lines.append("This call may have been billed.")
    lines += [f"Warning: {_plain(said)}" for said in error.warnings]
    return CallToolResult(is_error=True, content=[TextContent(text="\n".join(lines))])


def _shown(preview: "Preview") -> ImageContent:
    data = base64.b64encode(preview.data).decode()
    return ImageContent(data=data, mime_type=preview.mime_type, annotations=BOTH)


def _link(image: "StoredImage") -> ResourceLink:
    name = image.key.rsplit("/", 1)[-1]
    uri = image_uri(image.image_id)
    return ResourceLink(name=name, uri=uri, mime_type=image.mime_type, size=image.bytes, annotations=USER)


def _lines(values: dict[str, Any], indent: str = "") -> list[str]:
    """`name: value` for every fact; what is nested is indented, a list of records has a dash for each."""
    lines: list[str] = []
    for name, value in values.items():
        match value:
            case dict():
                lines += [f"{indent}{name}:", *_lines(value, indent + "  ")] if value else []
            case [dict(), *_]:
                lines.append(f"{indent}{name}:")
                for record in value:
                    first, *rest = _lines(record, indent + "  ") or [indent]
                    lines += [f"{indent}- {first.lstrip()}", *rest]
            case [_, *_]:
                lines += [f"{indent}{name}:", *(f"{indent}- {_plain(item)}" for item in value)]
            case []:
                pass
            case _:
                lines.append(f"{indent}{name}: {_plain(value)}")
    return lines


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.9f}".rstrip("0").rstrip(".")
    return "\\n".join(str(value).splitlines())  # a prompt must not be able to forge further facts
