"""`/v1/files`: uploaded images that later requests refer to by id."""

from typing import Any

from starlette.responses import Response

from .bodies import Call
from .checking import Check, Choice, Structure, Whole, checked
from .errors import missing_parameter, no_such_file, wrong_media_type, wrong_type
from .stored import State, StoredFile, new_id
from .wire import json_response, pieces

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
LIFETIME = Whole(3600, 2_592_000)  # seconds
TABLE: dict[str, Check] = {
    "purpose": Choice(PURPOSES),
    "expires_after": Structure(),
}
EXPIRY: dict[str, Check] = {"anchor": Choice(("created_at",)), "seconds": LIFETIME}
PAGE: dict[str, Check] = {"limit": Whole(1, 10_000), "order": Choice(("asc", "desc"))}


async def create(state: State, call: Call) -> Response:
    body = call.body
    if not body.form:
        raise wrong_media_type("application/json")
    given = checked(body.fields, TABLE, form=True)
    if "file" in body.fields:
        raise wrong_type("file", "a file", body.fields["file"])
    files = [file for file in body.files if file.name == "file"]
    if not files:
        raise missing_parameter("file")
    if "purpose" not in given:
        raise missing_parameter("purpose")
    now = int(state.clock())
    lifetime = None
    if "expires_after" in given:
        expiry = checked(given["expires_after"], EXPIRY, prefix="expires_after.", form=True)
        if missing := EXPIRY.keys() - expiry.keys():
            raise missing_parameter(f"expires_after.{min(missing)}")
        lifetime = expiry["seconds"]
    expires = None if lifetime is None else now + lifetime
    stored = StoredFile(new_id("file"), files[0].filename, given["purpose"], now, expires, files[0].data)
    state.files.put(stored)
    return json_response(pieces(stored.body()))


async def listing(state: State, call: Call) -> Response:
    """Newest first unless `order=asc`; one page of `limit` files after the file `after`."""
    query: dict[str, Any] = {name: value for name, value in call.query.items() if name in PAGE}
    given = checked(query, PAGE, form=True)
    files = state.files.all()
    if given.get("order", "desc") == "desc":
        files.reverse()
    if (purpose := call.query.get("purpose")) is not None:
        files = [file for file in files if file.purpose == purpose]
    if (after := call.query.get("after")) is not None:
        ids = [file.id for file in files]
        if after not in ids:
            raise no_such_file(after, "after")
        files = files[ids.index(after) + 1 :]
    page = files[: given.get("limit", 10_000)]
    ends = {"first_id": page[0].id, "last_id": page[-1].id} if page else {"first_id": None, "last_id": None}
    data = [file.body() for file in page]
    return json_response(pieces({"object": "list", "data": data, **ends, "has_more": len(page) < len(files)}))


async def one(state: State, call: Call) -> Response:
    return json_response(pieces(_found(state, call.path["id"]).body()))


async def content(state: State, call: Call) -> Response:
    return Response(_found(state, call.path["id"]).data, media_type="application/octet-stream")


async def delete(state: State, call: Call) -> Response:
    file_id = call.path["id"]
    if state.files.pop(file_id) is None:
        raise no_such_file(file_id)
    return json_response(pieces({"id": file_id, "object": "file", "deleted": True}))


def _found(state: State, file_id: str) -> StoredFile:
    if (file := state.files.get(file_id)) is None:
        raise no_such_file(file_id)
    return file
