"""All settings, read once from the environment into one frozen value; nothing else reads environment variables."""

import difflib
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from ..errors import InvalidArgument
from .values import Address, AzureVersion, Deployments, DroppedFields, Folder, Names, Paths, SentFields, Switch, Usd

PREFIX = "MCP_IMAGEGEN_"
log = logging.getLogger(__name__)
OPENAI_BASE_URL = "https://api.openai.com/v1"

Provider = Literal["auto", "openai", "azure", "compatible", "sandbox"]


def _field(variable: str, text: str, **more: Any) -> Any:
    """A setting: its environment variable is its alias, its text a row of the README."""
    return Field(alias=variable, description=text, **more)


class Settings(BaseModel):
    """Every setting with its environment variable (the alias) and what it does (the description)."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True, allow_inf_nan=False
    )

    api_key: SecretStr | None = _field("OPENAI_API_KEY", "Key of OpenAI or of a compatible server.", default=None)
    base_url: Address = _field("OPENAI_BASE_URL", "Where the API is.", default=OPENAI_BASE_URL)
    organization: str | None = _field("OPENAI_ORG_ID", "Organization that is billed.", default=None)
    project: str | None = _field("OPENAI_PROJECT_ID", "Project that is billed.", default=None)
    azure_endpoint: Address | None = _field(
        "AZURE_OPENAI_ENDPOINT", "Address of an Azure OpenAI resource, without a path.", default=None
    )
    azure_api_key: SecretStr | None = _field("AZURE_OPENAI_API_KEY", "Key of the Azure OpenAI resource.", default=None)
    api_version: AzureVersion = _field(
        "OPENAI_API_VERSION",
        "Azure's API version: a date for the paths of deployments, preview or v1 for the v1 paths.",
        default="preview",
    )
    azure_deployments: Deployments = _field(
        PREFIX + "AZURE_DEPLOYMENTS",
        "deployment=model pairs, separated by commas: which model is behind each Azure deployment, "
        "the one that hosts the image tool too.",
        default=(),
    )
    compatible_send: SentFields = _field(
        PREFIX + "COMPATIBLE_SEND",
        "name=value pairs, separated by commas, that a compatible server is sent with every image request, such as "
        "response_format=b64_json; or with those of one endpoint, such as generations.response_format=b64_json "
        "(generations, edits, variations, responses).",
        default=(),
    )
    compatible_drop: DroppedFields = _field(
        PREFIX + "COMPATIBLE_DROP",
        "Names, separated by commas, of fields that a compatible server is never sent in image requests, or in those "
        "of one endpoint, such as responses.tool_choice.",
        default=(),
    )
    home: Folder = _field(
        PREFIX + "HOME",
        "Folder of the state (database). Default: the system's folder for application data.",
        default_factory=lambda: platformdirs.user_data_path("mcp-imagegen", appauthor=False),
    )
    images: Folder = _field(
        PREFIX + "IMAGES",
        "Folder of the images. Default: mcp-imagegen in your Pictures folder, "
        "or images in MCP_IMAGEGEN_HOME where that is set.",
        default_factory=lambda: platformdirs.user_pictures_path() / "mcp-imagegen",
    )
    provider: Provider = _field(
        PREFIX + "PROVIDER",
        "auto, openai, azure, compatible or sandbox. auto: an Azure endpoint with its key is azure, a base URL outside "
        "openai.com is compatible, a key means openai, else the sandbox.",
        default="auto",
    )
    api: Literal["image", "responses"] = _field(
        PREFIX + "API",
        "image or responses: the API of generations and edits. responses adds revised prompts and ids, "
        "and costs the host model's tokens too.",
        default="image",
    )
    model: str = _field(PREFIX + "MODEL", "Image model of calls that name none.", default="gpt-image-2")
    responses_model: str = _field(
        PREFIX + "RESPONSES_MODEL", "Model that hosts the image tool in continuations.", default="gpt-5.4"
    )
    store: Switch = _field(
        PREFIX + "STORE", "on or off: whether the API may keep responses, so that threads continue by id.", default=True
    )
    background: Switch = _field(
        PREFIX + "BACKGROUND",
        "on or off: whether responses are made in the background where the provider can and STORE is on, so that one "
        "whose connection or server is lost is fetched again.",
        default=True,
    )
    roots: Paths = _field(
        PREFIX + "ROOTS",
        f"Folders that files may be read from and copies written to, separated by {os.pathsep!r}. "
        "Default: image and working folder, for reading also Pictures, Downloads, Desktop and Documents.",
        default=(),
    )
    fetch_hosts: Names = _field(
        PREFIX + "FETCH_HOSTS",
        "Hosts, separated by commas, that inputs may be fetched from although their address is private. Where "
        "OPENAI_BASE_URL is http, pictures that an answer links to are fetched over http too: from these hosts and the "
        "base URL's own, at any port, if their address is private. No key is sent there.",
        default=(),
    )
    extra: Names = _field(
        PREFIX + "EXTRA",
        "Names, separated by commas, of options that extra takes beside those of the catalog. They are passed on as "
        "they are; what they do to the price is not known, so a call with one has no highest price.",
        default=(),
    )
    max_pixels: int = _field(
        PREFIX + "MAX_PIXELS", "Largest input image, in pixels (width x height).", default=40_000_000, gt=0
    )
    max_wait_s: float = _field(
        PREFIX + "MAX_WAIT_S",
        "Seconds after which a call answers in_progress and goes on in the background.",
        default=50,
        gt=0,
    )
    drain_s: float = _field(
        PREFIX + "DRAIN_S",
        "Seconds that running calls get to finish when the server ends, as long as the client lets it live. What is "
        "cut off is settled by the next server.",
        default=20,
        ge=0,
    )
    on_cancel: Literal["finish", "abort"] = _field(
        PREFIX + "ON_CANCEL",
        "finish or abort: what becomes of a call whose caller cancels it. It may be billed either way; finish keeps "
        "the image for the same call made again, and for its thread.",
        default="finish",
    )
    keep_days: float | None = _field(
        PREFIX + "KEEP_DAYS",
        "Days after its last change at which a thread and its images are deleted. Default: they are kept.",
        default=None,
        gt=0,
        le=36_500,  # what a date can be counted back by
    )
    budget_call_usd: Usd | None = _field(
        PREFIX + "BUDGET_CALL_USD", "Refuse any call that could cost more, in USD.", default=None, gt=0
    )
    budget_thread_usd: Usd | None = _field(
        PREFIX + "BUDGET_THREAD_USD",
        "Refuse a call for which the thread has no room, in USD. What running calls could cost at most counts too.",
        default=None,
        gt=0,
    )
    budget_day_usd: Usd | None = _field(
        PREFIX + "BUDGET_DAY_USD", "The same for a day, in the server's time zone.", default=None, gt=0
    )
    budget_month_usd: Usd | None = _field(
        PREFIX + "BUDGET_MONTH_USD", "The same for a calendar month.", default=None, gt=0
    )
    confirm_above_usd: Usd | None = _field(
        PREFIX + "CONFIRM_ABOVE_USD",
        "Ask the user before a call that could cost more, in USD. A max_cost_usd that covers it counts as a yes, which "
        "a model can give itself; budgets are the hard limit.",
        default=None,
        ge=0,
    )
    confirm: Literal["require", "when_possible"] = _field(
        PREFIX + "CONFIRM",
        "require or when_possible: whether a call is refused or goes on where the client cannot ask its user.",
        default="require",
    )
    preview: Switch = _field(PREFIX + "PREVIEW", "on or off: previews in results.", default=True)
    preview_edge: int = _field(
        PREFIX + "PREVIEW_EDGE", "Longest edge of a preview, in pixels.", default=512, ge=64, le=1024
    )
    structured_output: Switch = _field(
        PREFIX + "STRUCTURED_OUTPUT",
        "on or off: structured results and their schemas. Turn it off for Codex, which else hides the images.",
        default=True,
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _field(
        PREFIX + "LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR; logs go to stderr.", default="WARNING"
    )

    @model_validator(mode="before")
    @classmethod
    def _images_beside_home(cls, given: Any) -> Any:
        """A state folder of one's own keeps the images too, unless they have theirs."""
        home, images = PREFIX + "HOME", PREFIX + "IMAGES"
        if isinstance(given, dict) and home in given and images not in given:
            return {**given, images: Path(given[home]).expanduser() / "images"}
        return given

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if self.provider == "openai" and self.api_key is None:
            raise ValueError("MCP_IMAGEGEN_PROVIDER=openai needs OPENAI_API_KEY")
        if self.provider == "azure" and (self.azure_endpoint is None or self.azure_api_key is None):
            raise ValueError("MCP_IMAGEGEN_PROVIDER=azure needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY")
        for name, folder in (("HOME", self.home), ("IMAGES", self.images)):
            if not folder.is_absolute():
                raise ValueError(f"{PREFIX}{name} must be an absolute path")
        return self

    @property
    def resolved_provider(self) -> Literal["openai", "azure", "compatible", "sandbox"]:
        """What `auto` comes to."""
        if self.provider != "auto":
            return self.provider
        if self.azure_endpoint is not None and self.azure_api_key is not None:
            return "azure"
        host = self.base_url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0].lower()
        if host != "openai.com" and not host.endswith(".openai.com"):
            return "compatible"
        return "openai" if self.api_key else "sandbox"

    def model_behind(self, name: str) -> str:
        """The model behind a name that a caller gives: on Azure it may be that of a deployment."""
        return dict(self._azure_map).get(name, name)

    @property
    def host_model(self) -> str:
        """The model behind the name that `responses_model` gives."""
        return self.model_behind(self.responses_model)

    def deployment_of(self, name: str) -> str | None:
        """The Azure deployment that a request names: the caller's own, else the first with that model, else the name
        as it is. None where the provider has no deployments."""
        if self.resolved_provider != "azure":
            return None
        if name in dict(self._azure_map):
            return name
        return next((deployment for deployment, model in self._azure_map if model == name), name)

    @property
    def offered_models(self) -> tuple[str, ...] | None:
        """The models that a request may name, as far as the settings know: on Azure those of the deployments. None
        where any may be named."""
        return tuple(dict(self._azure_map).values()) if self.resolved_provider == "azure" else None

    @property
    def _azure_map(self) -> tuple[tuple[str, str], ...]:
        return self.azure_deployments if self.resolved_provider == "azure" else ()


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process; an empty variable counts as not set.

    Raises InvalidArgument with the variable's name.
    """
    given = {
        name: value for name, value in (os.environ if environment is None else environment).items() if value.strip()
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        said = first["msg"].removeprefix("Value error, ")
        named = f"{first['loc'][0]}: {said}" if first["loc"] else said
        raise InvalidArgument(named, "correct this environment variable") from None


def warn_of_unknown(environment: Mapping[str, str] | None = None) -> None:
    """Log each variable with our prefix that is no setting, so that a misspelt limit does not go unnoticed."""
    known = [str(setting.alias) for setting in Settings.model_fields.values()]
    for name in sorted(os.environ if environment is None else environment):
        if name.startswith(PREFIX) and name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            guess = f"; did you mean {near[0]}?" if near else ""
            log.warning("%s is no setting and has no effect%s", name, guess)


def system_folders() -> frozenset[Path]:
    """Folders that a client may start a server in and that are nobody's working folder."""
    names = [
        "/",
        "/bin",
        "/etc",
        "/home",
        "/lib",
        "/opt",
        "/proc",
        "/root",
        "/sbin",
        "/sys",
        "/usr",
        "/usr/bin",
        "/var",
        "/Users",
    ]
    names += ["/Applications", "/Library", "/System", "C:/", "C:/Windows", "C:/Windows/System32", "C:/Program Files"]
    return frozenset({Path(name) for name in names} | {Path.home(), Path(tempfile.gettempdir())})
