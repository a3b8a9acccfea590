"""The ASGI application: routes, keys, headers, and the record of what reached it."""

import logging
import time
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import files, images, models, responses, stored_responses
from .bodies import Body, Call, Seen, SeenFile, body_of
from .errors import ApiError, incorrect_key, missing_key, no_such_path, wrong_method
from .situations import TRIGGERS, server_error
from .stored import Hold, State, new_id
from .wire import json_response, pieces

ZERO_RETENTION = "sk-zdr-"  # a key that begins so is one of an organization with zero data retention
RECORDED = 10_000  # requests; older ones are forgotten
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
log = logging.getLogger(__name__)
Endpoint = Callable[[State, Call], Awaitable[Response]]

NOT_IMITATED: tuple[str, ...] = (
    "What a model would draw: a picture is a seeded scene with the prompt on a label; an edit is a tint, some shapes "
    "and a new label.",
    "Rate limits, quotas, verification, moderation and failures, except where a prompt asks for them.",
    "DALL·E and `POST /v1/images/variations`, which OpenAI has retired.",
    "Batches, conversations, prompt templates, lists of input items.",
    "Tools other than `image_generation`: they are repeated in the answer and never called.",
    "Images by https URL: nothing is downloaded; the answer is that of a URL which leads to nothing.",
    "The `markup` parameter, limits on the bytes of a file, and the effect of `moderation`.",
    "Partly transparent masks: only pixels of alpha 0 change. An SVG ignores the mask and further images.",
    "Signed provenance (C2PA) in the files, and watermarks.",
    "Token caching and service tiers; the host model's tokens are made up within the range of recorded answers.",
    "A tokenizer: text counts as a quarter of its characters.",
    "Organizations of several keys, and projects: what a key has stored is known to that key alone.",
    "Lasting storage: everything is in memory, at most 512 MiB of each kind for a key, and ends with the process.",
)


async def at_once(_: str) -> None:
    """Holds no drawing."""


async def _models(state: State, _: Call) -> Response:
    return json_response(pieces({"object": "list", "data": models.listing(state.clock())}))


async def _model(state: State, call: Call) -> Response:
    return json_response(pieces(models.listed(call.path["id"], state.clock())))


ENDPOINTS: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/images/generations", images.generations),
    ("POST", "/v1/images/edits", images.edits),
    ("POST", "/v1/responses", responses.create),
    ("GET", "/v1/responses/{id}", stored_responses.one),
    ("POST", "/v1/responses/{id}/cancel", stored_responses.cancel),
    ("DELETE", "/v1/responses/{id}", stored_responses.delete),
    ("POST", "/v1/files", files.create),
    ("GET", "/v1/files", files.listing),
    ("GET", "/v1/files/{id}", files.one),
    ("DELETE", "/v1/files/{id}", files.delete),
    ("GET", "/v1/files/{id}/content", files.content),
    ("GET", "/v1/models", _models),
    ("GET", "/v1/models/{id}", _model),
)


class Sandbox:
    """A local stand-in for OpenAI's API that draws real pictures; `app` is the ASGI application.

    `keys` are the API keys it takes (None: any); each is an organization of its own, without any retention of data
    where it begins with `sk-zdr-`. A picture takes at least `seconds_per_image`; `before_drawing` is awaited with the
    prompt before each picture, so that a drawing can be held. `clock` gives Unix seconds: it decides what has expired
    and which models have ended. `requests` records what reached it, oldest first.
    """

    def __init__(
        self,
        *,
        keys: Collection[str] | None = None,
        seconds_per_image: float = 0.0,
        before_drawing: Hold = at_once,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.requests: list[Seen] = []
        self._keys = None if keys is None else frozenset(keys)
        self._new_state = partial(State, clock, seconds_per_image, before_drawing)
        self._states: dict[str, State] = {}
        self._routes = [
            Route(path, partial(self._answered, endpoint), methods=[method]) for method, path, endpoint in ENDPOINTS
        ]
        rest = Route("/{path:path}", partial(self._answered, None), methods=METHODS)
        self.app: ASGIApp = Headers(Starlette(routes=[*self._routes, rest]))

    def forget(self, *ids: str) -> None:
        """Forget the responses, items and files with these ids, whoever stored them; without ids everything stored."""
        for state in self._states.values():
            state.forget(*ids)

    async def _answered(self, endpoint: Endpoint | None, request: Request) -> Response:
        """The endpoint's answer, or its error as a body; without an endpoint there is nothing at the path."""
        request_id: str = request.state.request_id
        try:
            body = await self._recorded(request, Body({}) if endpoint is None else None)
            key = self._checked_key(request.headers.get("authorization", ""))
            if endpoint is None:
                raise self._nothing_here(request.method, request.url.path)
            call = Call(request_id, request.path_params, dict(request.query_params), body)
            return await endpoint(self._state_of(key), call)
        except ApiError as error:
            return json_response(pieces({"error": error.error(request_id)}), error.status, error.headers)
        except Exception:  # whatever a fault of the sandbox is, its client gets the API's server error
            log.exception("the sandbox failed on %s %s", request.method, request.url.path)
            return json_response(pieces({"error": server_error().error(request_id)}), 500)

    async def _recorded(self, request: Request, body: Body | None) -> Body:
        """The body, read unless it is given, after the request was recorded; what cannot be read has no fields."""
        method, path = request.method, request.url.path
        seen = Seen(method, path, {})
        try:
            body = await body_of(request) if body is None else body
            seen = body.seen(method, path)
            return body
        finally:
            if path.startswith("/v1/"):
                self.requests.append(seen)
                del self.requests[:-RECORDED]

    def _state_of(self, key: str) -> State:
        if key not in self._states:
            self._states[key] = self._new_state(retains=not key.startswith(ZERO_RETENTION))
        return self._states[key]

    def _checked_key(self, header: str) -> str:
        """The key of an `authorization` header. Raises ApiError where it is missing or not one of the sandbox's."""
        scheme, _, key = header.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise missing_key()
        if self._keys is not None and key.strip() not in self._keys:
            raise incorrect_key(key.strip())
        return key.strip()

    def _nothing_here(self, method: str, path: str) -> ApiError:
        scope = {"type": "http", "method": method, "path": path}
        known = any(route.matches(scope)[0] is Match.PARTIAL for route in self._routes)
        return (wrong_method if known else no_such_path)(method, path)


class Headers:
    """Adds the headers that every answer of the API has, and gives the request its id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id = time.monotonic(), new_id("req")
        scope.setdefault("state", {})["request_id"] = request_id

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                taken = round(1000 * (time.monotonic() - started))
                message["headers"] = [*message["headers"], *_common_headers(request_id, taken)]
            await send(message)

        await self._app(scope, receive, with_headers)


def _common_headers(request_id: str, milliseconds: int) -> list[tuple[bytes, bytes]]:
    headers = {
        "x-request-id": request_id,
        "openai-processing-ms": str(milliseconds),
        "openai-version": "2020-10-01",
        "openai-organization": "sandbox",
        "openai-project": "proj_sandbox",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]


__all__ = ["NOT_IMITATED", "TRIGGERS", "Sandbox", "Seen", "SeenFile"]
