"""Where a provider is and what every request to it carries."""

from dataclasses import dataclass, field
from importlib import metadata
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2
from pydantic import SecretStr

from ..errors import AuthenticationFailed, UpstreamUnavailable
from .asked import Asked
from .requests import Outgoing
from .spool import About

Dialect = Literal["openai", "azure", "compatible"]

SAID_AT_ONCE_S = 60.0
_PROXY = "set HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to http://host:port in the server's environment, or to nothing"
_AZURE_V1 = ("preview", "v1")  # API versions that mean Azure's v1 paths, all of which are asked for as preview


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
    dialect: Dialect = "openai"
    api_version: str = "preview"  # of Azure

    @property
    def address_name(self) -> str:
        """The setting that says where this provider is."""
        return "AZURE_OPENAI_ENDPOINT" if self.dialect == "azure" else "OPENAI_BASE_URL"

    @property
    def key_name(self) -> str:
        """The setting that its key comes from."""
        return "AZURE_OPENAI_API_KEY" if self.dialect == "azure" else "OPENAI_API_KEY"

    @property
    def secret(self) -> str | None:
        return (self.api_key.get_secret_value().strip() or None) if self.api_key else None

    def asked(self, url: httpx2.URL, outgoing: Outgoing) -> Asked:
        """Whom a request to `url` goes to, for errors to name."""
        return Asked(
            origin(url),
            f"{outgoing.method} {outgoing.path}",
            self.secret,
            paid=outgoing.paid,
            streamed=outgoing.streamed,
            background=outgoing.background,
            by_id=outgoing.by_id,
            ids=outgoing.ids,
            hosts=outgoing.hosts,
            of_openai=self.dialect == "openai",
            key_name=self.key_name,
            address_name=self.address_name,
        )

    def asked_before(self, about: About) -> Asked:
        """The same of an answer that lies on disk."""
        return Asked(
            about.origin,
            about.endpoint,
            self.secret,
            paid=True,
            streamed=about.streamed,
            ids=about.ids,
            hosts=about.hosts,
            of_openai=self.dialect == "openai",
            key_name=self.key_name,
            address_name=self.address_name,
        )

    def timeout(self, outgoing: Outgoing) -> httpx2.Timeout:
        """How long a connection may be silent: drawing takes minutes, saying how it stands does not."""
        at_once = (outgoing.by_id or outgoing.linked) and not outgoing.streamed
        silence_s = min(self.read_timeout_s, SAID_AT_ONCE_S) if at_once else self.read_timeout_s
        return httpx2.Timeout(silence_s, connect=self.connect_timeout_s)

    def http(self) -> httpx2.AsyncClient:
        """A connection pool that has not connected yet. Takes tens of milliseconds, since it reads the certificate
        authorities. Raises UpstreamUnavailable for proxy settings that cannot be used, AuthenticationFailed for a key
        that cannot be sent."""
        headers = self._headers()
        try:
            if self.trust_env:
                _check_ports(getproxies())
            return httpx2.AsyncClient(
                headers=headers,
                trust_env=self.trust_env,
                # A server may close a kept connection at the moment when a paid request is sent over it, and nobody
                # would know whether it was billed. And on a new one an early refusal can be seen.
                limits=httpx2.Limits(max_keepalive_connections=0),
                follow_redirects=False,
            )
        except ImportError as error:
            raise UpstreamUnavailable("a SOCKS proxy is set, and only HTTP proxies can be used", _PROXY) from error
        except OSError as error:
            raise UpstreamUnavailable(
                f"the certificates that SSL_CERT_FILE or SSL_CERT_DIR name cannot be read ({type(error).__name__})",
                "name a PEM file that the server may read, or set neither for the certificates of the system",
            ) from error
        except (ValueError, httpx2.InvalidURL) as error:
            raise UpstreamUnavailable("the address of a proxy is no URL that can be used", _PROXY) from error

    def url(self, path: str, deployment: str | None = None) -> httpx2.URL:
        """The base URL with `path` appended; a query of the base URL stays. On Azure a dated API version has the image
        endpoints below `deployment`, and all else is below the v1 path. Raises UpstreamUnavailable for a base URL that
        is none."""
        fix = f"correct {self.address_name}"
        try:
            base = httpx2.URL(self.base_url.strip())
        except httpx2.InvalidURL:
            raise UpstreamUnavailable("the base URL is no URL", fix) from None
        if base.scheme not in ("http", "https") or not base.host:
            raise UpstreamUnavailable("the base URL is no http or https URL", fix)
        before = base.path.rstrip("/")
        if self.dialect != "azure":
            return base.copy_with(path=before + path, fragment=None)
        before = before.removesuffix("/v1").removesuffix("/openai")  # the portal shows the address with either
        dated = deployment is not None and self.api_version not in _AZURE_V1 and path.startswith("/images/")
        surface, version = (f"deployments/{deployment}", self.api_version) if dated else ("v1", "preview")
        url = base.copy_with(path=f"{before}/openai/{surface}{path}", fragment=None)
        return url.copy_set_param("api-version", version)

    def linked(self, link: str) -> httpx2.URL | None:
        """The URL that a link in an answer leads to, if it is at the provider's own origin."""
        try:
            url = self.url("").join(link)
        except (httpx2.InvalidURL, ValueError):
            return None
        return url if origin(url) == origin(self.url("")) else None

    def _headers(self) -> dict[str, str]:
        named = {
            **self._credentials(),
            "OpenAI-Organization": self.organization,
            "OpenAI-Project": self.project,
            "User-Agent": f"mcp-imagegen/{_version()}",
        }
        headers = {name: value.strip() for name, value in named.items() if value}
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise AuthenticationFailed(
                    f"the value for {name} has characters that no key or id has",
                    f"set {self.key_name}, OPENAI_ORG_ID and OPENAI_PROJECT_ID anew",
                )
        return headers

    def _credentials(self) -> dict[str, str]:
        if not (secret := self.secret):
            return {}
        return {"api-key": secret} if self.dialect == "azure" else {"Authorization": f"Bearer {secret}"}


def origin(url: httpx2.URL) -> str:
    """Scheme, host and port, without what else a URL may hold, such as a password."""
    host = f"[{url.host}]" if ":" in url.host else url.host
    default = {"http": 80, "https": 443}.get(url.scheme)
    port = "" if url.port in (None, default) else f":{url.port}"
    return f"{url.scheme}://{host}{port}"


def _check_ports(proxies: dict[str, str]) -> None:
    """Raises ValueError for a port that is none: only the system would refuse it, when a call is connected."""
    for scheme in ("http", "https", "all"):
        _ = urlsplit(proxies.get(scheme, "")).port


def _version() -> str:
    try:
        return metadata.version("mcp-imagegen")
    except metadata.PackageNotFoundError:
        return "unknown"
