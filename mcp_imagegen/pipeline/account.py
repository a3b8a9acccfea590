"""Whom a provider is asked as: what it keeps for one account, another one cannot ask for."""

import hashlib
import json

from pydantic import SecretStr

from ..settings import Settings

_LENGTH = 16  # hexadecimal digits: enough to tell settings apart


def account_of(settings: Settings) -> str:
    """The same for the same provider, address, key, organization and project, of which nothing can be read in it.

    The address and key that the sandbox inside a server has are drawn at each start, and are none of the settings.
    """
    asked = [settings.base_url, _shown(settings.api_key), settings.organization, settings.project]
    if settings.resolved_provider == "azure":
        asked = [settings.azure_endpoint, _shown(settings.azure_api_key)]
    named = json.dumps([settings.resolved_provider, *((one or "").strip().rstrip("/") for one in asked)])
    return hashlib.sha256(named.encode()).hexdigest()[:_LENGTH]


def _shown(key: SecretStr | None) -> str | None:
    return key.get_secret_value() if key else None
