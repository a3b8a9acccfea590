"""Which calls are the same: those that would make the same, as far as that can be known before anything is read."""

import asyncio
import hashlib
import json
from typing import Any

from ..operations import GenerateImage, PaidOperation
from .quoting import Quoting
from .values import kind_of


async def fingerprint(operation: PaidOperation, quoting: Quoting) -> str:
    """The same for the same tool and arguments, however they were written, sent with the same account and defaults, and
    with files that have not changed since. To be taken before the files are read."""
    return await asyncio.to_thread(_fingerprint, operation, quoting)


def _fingerprint(operation: PaidOperation, quoting: Quoting) -> str:
    files = [quoting.gathering.loader.state(one) for one in _references(operation)]
    told = [type(operation).__name__, operation.model_dump(mode="json"), files, _defaults(operation, quoting)]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _references(operation: PaidOperation) -> list[str]:
    shown = () if isinstance(operation, GenerateImage) else (*operation.images, operation.mask)
    return [one for one in (*shown, (operation.extra or {}).get("markup")) if isinstance(one, str)]


def _defaults(operation: PaidOperation, quoting: Quoting) -> list[Any]:
    """What the settings decide of a picture. A thread goes on with its own model."""
    settings, kind = quoting.settings, kind_of(operation)
    api = quoting.api_of(kind)
    return [
        quoting.account,
        api,
        settings.responses_model if api == "responses" else None,
        settings.model if operation.model is None and kind != "continue" else None,
        settings.azure_deployments,
        settings.compatible_send,
        settings.compatible_drop,
    ]
