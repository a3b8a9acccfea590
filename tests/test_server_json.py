"""server.json follows the registry's schema of 2025-12-11 and speaks of this package as it is."""

import json
import tomllib
from pathlib import Path

from jsonschema import Draft7Validator

from mcp_imagegen.settings import Settings

ROOT = Path(__file__).parent.parent
TEXT = {"type": "string"}
# The rules of that schema for what our file uses, written down here; unlike it, unknown names are refused.
RULES = {
    "type": "object",
    "required": ["name", "description", "version"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"const": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"},
        "name": {"type": "string", "pattern": r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", "minLength": 3, "maxLength": 200},
        "title": {"type": "string", "minLength": 1, "maxLength": 100},
        "description": {"type": "string", "minLength": 1, "maxLength": 100},
        "version": {"type": "string", "maxLength": 255, "pattern": r"^\d+\.\d+\.\d+$"},
        "packages": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["registryType", "identifier", "transport"],
                "additionalProperties": False,
                "properties": {
                    "registryType": {"enum": ["pypi"]},
                    "identifier": TEXT,
                    "version": {"type": "string", "minLength": 1, "not": {"const": "latest"}},
                    "runtimeHint": {"enum": ["uvx"]},
                    "transport": {"type": "object", "properties": {"type": {"enum": ["stdio"]}}, "required": ["type"]},
                    "environmentVariables": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "additionalProperties": False,
                            "properties": {
                                "name": TEXT,
                                "description": TEXT,
                                "isRequired": {"type": "boolean"},
                                "isSecret": {"type": "boolean"},
                                "default": TEXT,
                                "format": {"enum": ["string", "number", "boolean", "filepath"]},
                                "choices": {"type": "array", "items": TEXT},
                            },
                        },
                    },
                },
            },
        },
    },
}
SERVER = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))


def test_it_follows_the_schema_of_the_registry() -> None:
    assert [error.message for error in Draft7Validator(RULES).iter_errors(SERVER)] == []


def test_it_names_this_package_and_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = SERVER["packages"][0]
    assert package["identifier"] == project["name"]
    assert package["version"] == SERVER["version"] == project["version"]


def test_the_readme_proves_the_ownership() -> None:
    assert f"mcp-name: {SERVER['name']}" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_variable_is_a_setting_with_its_default() -> None:
    settings = {str(field.alias): field for field in Settings.model_fields.values()}
    for variable in SERVER["packages"][0]["environmentVariables"]:
        default = settings[variable["name"]].default
        if "default" in variable:
            assert variable["default"] == ({True: "on", False: "off"}.get(default, default))
