"""All settings, read once from the environment into one frozen value; nothing else reads environment variables."""

import difflib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator

from .errors import InvalidArgument

PREFIX = "MCP_IMAGEGEN_"
OPENAI_BASE_URL = "https://api.openai.com/v1"

Provider = Literal["auto", "openai", "compatible", "sandbox"]


def _on_off(value: object) -> object:
    return {"on": True, "off": False}.get(value.lower(), value) if isinstance(value, str) else value


def _paths(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _names(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


Switch = Annotated[bool, BeforeValidator(_on_off)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_paths)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


def _field(variable: str, text: str, **more: Any) -> Any:
    """A setting: its environment variable is its alias, its text a row of the README."""
    return Field(alias=variable, description=text, **more)


class Settings(BaseModel):
    """Every setting with its environment variable (the alias) and what it does (the description)."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, populate_by_name=True)

    api_key: SecretStr | None = _field("OPENAI_API_KEY", "Key of OpenAI or of a compatible server.", default=None)
    base_url: str = _field("OPENAI_BASE_URL", "Where the API is.", default=OPENAI_BASE_URL)
    organization: str | None = _field("OPENAI_ORG_ID", "Organization that is billed.", default=None)
    project: str | None = _field("OPENAI_PROJECT_ID", "Project that is billed.", default=None)
    home: Path = _field(
        PREFIX + "HOME",
        "Folder of the state (database). Default: the system's folder for application data.",
        default_factory=lambda: platformdirs.user_data_path("mcp-imagegen", appauthor=False),
    )
    images: Path = _field(
        PREFIX + "IMAGES",
        "Folder of the images. Default: mcp-imagegen in your Pictures folder, or images in MCP_IMAGEGEN_HOME where that is set.",
        default_factory=lambda: platformdirs.user_pictures_path() / "mcp-imagegen",
    )
    provider: Provider = _field(
        PREFIX + "PROVIDER",
        "auto, openai, compatible or sandbox. auto: a base URL outside openai.com is compatible, a key means openai, else the sandbox.",
        default="auto",
    )
    model: str = _field(PREFIX + "MODEL", "Image model of calls that name none.", default="gpt-image-2")
    responses_model: str = _field(
        PREFIX + "RESPONSES_MODEL", "Model that hosts the image tool in continuations.", default="gpt-5.4"
    )
    store: Switch = _field(
        PREFIX + "STORE", "on or off: whether the API may keep responses, so that threads continue by id.", default=True
    )
    roots: Paths = _field(
        PREFIX + "ROOTS",
        f"Folders that files may be read from and copies written to, separated by {os.pathsep!r}. "
        "Default: image and working folder, for reading also Pictures, Downloads, Desktop and Documents.",
        default=(),
    )
    fetch_hosts: Names = _field(
        PREFIX + "FETCH_HOSTS",
        "Hosts, separated by commas, that inputs may be fetched from although their address is private.",
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
    budget_call_usd: float | None = _field(
        PREFIX + "BUDGET_CALL_USD", "Refuse any call that could cost more, in USD.", default=None, gt=0
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
            return {**given, images: Path(given[home]) / "images"}
        return given

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if self.provider == "openai" and self.api_key is None:
            raise ValueError("MCP_IMAGEGEN_PROVIDER=openai needs OPENAI_API_KEY")
        if not self.home.is_absolute() or not self.images.is_absolute():
            raise ValueError("MCP_IMAGEGEN_HOME and MCP_IMAGEGEN_IMAGES must be absolute paths")
        return self

    @property
    def resolved_provider(self) -> Literal["openai", "compatible", "sandbox"]:
        """What `auto` comes to."""
        if self.provider != "auto":
            return self.provider
        host = self.base_url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0].lower()
        if host != "openai.com" and not host.endswith(".openai.com"):
            return "compatible"
        return "openai" if self.api_key else "sandbox"


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process. An empty variable counts as not set. Raises InvalidArgument with the variable's name."""
    given = {name: value for name, value in (os.environ if environment is None else environment).items() if value.strip()}
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0]) if first["loc"] else "the settings"
        raise InvalidArgument(
            f"{name}: {first['msg'].removeprefix('Value error, ')}", f"correct the environment variable {name}"
        ) from None


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """A sentence for each variable with our prefix that is no setting, so that a misspelt limit does not go unnoticed."""
    known = [str(field.alias) for field in Settings.model_fields.values()]
    found = sorted(name for name in (os.environ if environment is None else environment) if name.startswith(PREFIX))
    said = []
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            said.append(f"{name} is no setting and has no effect" + (f"; did you mean {near[0]}?" if near else ""))
    return said


def system_folders() -> frozenset[Path]:
    """Folders that a client may start a server in and that are nobody's working folder."""
    names = ["/", "/bin", "/etc", "/home", "/lib", "/opt", "/proc", "/root", "/sbin", "/sys", "/usr", "/usr/bin", "/var", "/Users"]
    names += ["/Applications", "/Library", "/System", "C:/", "C:/Windows", "C:/Windows/System32", "C:/Program Files"]
    return frozenset({Path(name) for name in names} | {Path.home(), Path(tempfile.gettempdir())})
