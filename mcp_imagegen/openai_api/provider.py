"""Where a provider is and what every request to it carries."""

from dataclasses import dataclass, field
from importlib import metadata

import httpx2
from pydantic import SecretStr

from ..errors import AuthenticationFailed, UpstreamUnavailable

_BASE_URL = "correct OPENAI_BASE_URL"


@dataclass(frozen=True)
class Provider:
    """The values a client is made with; `http()` makes the pool out of them."""

    base_url: str = field(repr=False)  # may hold a password
    api_key: SecretStr | None
    organization: str | None
    project: str | None
    trust_env: bool
    connect_timeout_s: float
    read_timeout_s: float

    @property
    def secret(self) -> str | None:
        return (self.api_key.get_secret_value().strip() or None) if self.api_key else None

    def http(self) -> httpx2.AsyncClient:
        """A connection pool that has not connected yet. Takes tens of milliseconds, since it reads the certificate
        authorities. Raises UpstreamUnavailable for proxy settings that cannot be used, AuthenticationFailed for a key
        that cannot be sent."""
        headers = self._headers()
        try:
            return httpx2.AsyncClient(
                headers=headers,
                timeout=httpx2.Timeout(self.read_timeout_s, connect=self.connect_timeout_s),
                trust_env=self.trust_env,
                follow_redirects=False,
            )
        except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
            raise UpstreamUnavailable(
                f"no connection can be set up with these proxy and certificate settings ({type(error).__name__})",
                "correct HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE",
            ) from error

    def url(self, path: str) -> httpx2.URL:
        """The base URL with `path` appended; a query of the base URL stays. A whole URL is taken as it is, a link
        without host is read from the base URL's origin. Raises UpstreamUnavailable for a base URL that is none."""
        try:
            base = httpx2.URL(self.base_url.strip())
        except httpx2.InvalidURL:
            raise UpstreamUnavailable("the base URL is no URL", _BASE_URL) from None
        if base.scheme not in ("http", "https") or not base.host:
            raise UpstreamUnavailable("the base URL is no http or https URL", _BASE_URL)
        return base.copy_with(path=base.path.rstrip("/") + path, fragment=None)

    def linked(self, link: str) -> httpx2.URL | None:
        """The URL that a link in an answer leads to, if it is at the provider's own origin."""
        try:
            url = self.url("").join(link)
        except (httpx2.InvalidURL, ValueError):
            return None
        return url if origin(url) == origin(self.url("")) else None

    def _headers(self) -> dict[str, str]:
        secret = self.secret
        named = {
            "Authorization": f"Bearer {secret}" if secret else None,
            "OpenAI-Organization": self.organization,
            "OpenAI-Project": self.project,
            "User-Agent": f"mcp-imagegen/{_version()}",
        }
        headers = {name: value.strip() for name, value in named.items() if value}
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise AuthenticationFailed(
                    f"the value for {name} has characters that no key or id has",
                    "set OPENAI_API_KEY, OPENAI_ORG_ID and OPENAI_PROJECT_ID anew",
                )
        return headers


def origin(url: httpx2.URL) -> str:
    """Scheme, host and port, without what else a URL may hold, such as a password."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    default = {"http": 80, "https": 443}.get(url.scheme)
    port = "" if url.port in (None, default) else f":{url.port}"
    return f"{url.scheme}://{host}{port}"


def _version() -> str:
    try:
        return metadata.version("mcp-imagegen")
    except metadata.PackageNotFoundError:
        return "unknown"
