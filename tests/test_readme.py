"""The README's tables are generated from the code; `make snapshots` writes them anew."""

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_imagegen.catalog.hints import hints
from mcp_imagegen.errors import every_code
from mcp_imagegen.operations import Paid
from mcp_imagegen.sandbox.app import NOT_IMITATED, TRIGGERS
from mcp_imagegen.settings import Settings
from mcp_imagegen.tools.every import TOOLS
from mcp_imagegen.tools.listed import input_schema

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"


def tools() -> str:
    """Each tool with its own arguments, then once those that all drawing calls share."""
    parts = []
    for tool in TOOLS:
        listed = tool.listed(structured=False)
        own = {n: a for n, a in listed.input_schema["properties"].items() if n not in Paid.model_fields}
        shares = "" if len(own) == len(listed.input_schema["properties"]) else " Takes the shared options too."
        required = listed.input_schema.get("required", [])
        parts.append(table(f"### {tool.name}\n{listed.description}{shares}", own, required))
    parts.append(table("### Shared options", input_schema(Paid)["properties"], []))
    return "\n\n".join(parts)


def table(heading: str, arguments: dict[str, Any], required: list[str]) -> str:
    rows = [
        f"| `{name}`{' (required)' if name in required else ''} "
        f"| {takes(argument)} | {argument.get('description', '')} |"
        for name, argument in arguments.items()
    ]
    return "\n".join([heading, "", "| argument | takes | |", "|---|---|---|", *rows])


def takes(argument: dict[str, Any]) -> str:
    if "enum" in argument:
        said = ", ".join(f"`{value}`" for value in argument["enum"])
    elif argument["type"] == "array":
        said = "list of strings"
    elif "maximum" in argument:
        said = f"{argument['minimum']} to {argument['maximum']}"
    else:
        said = argument["type"]
    return said + (f"; default `{json.dumps(argument['default'])}`" if "default" in argument else "")


def settings() -> str:
    rows = []
    for field in Settings.model_fields.values():
        default = field.default
        if isinstance(default, bool):
            default = "on" if default else "off"
        shown = f"`{default}`" if isinstance(default, str | int | float) else ""
        rows.append(f"| `{field.alias}` | {field.description} | {shown} |")
    return "\n".join(["| variable | what it does | default |", "|---|---|---|", *rows])


def errors() -> str:
    rows = (f"| `{code}` | {meaning} |" for code, meaning in every_code().items())
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def triggers() -> str:
    rows = (f"| `{word}` | {what} |" for word, what in TRIGGERS.items())
    return "\n".join(["| in the prompt | what happens |", "|---|---|", *rows])


def advice() -> str:
    """Each hint with the models it is about, and whether results repeat it."""
    rows = (
        f"| {', '.join(f'`{name}`' for name in hint.models)} | {hint.text} | {'yes' if hint.when else ''} |"
        for hint in hints()
    )
    return "\n".join(["| models | advice | in results |", "|---|---|---|", *rows])


def not_imitated() -> str:
    return "\n".join(f"- {what}" for what in NOT_IMITATED)


SECTIONS: dict[str, Callable[[], str]] = {
    "tools": tools,
    "settings": settings,
    "hints": advice,
    "errors": errors,
    "triggers": triggers,
    "not-imitated": not_imitated,
}


@pytest.mark.parametrize("name", SECTIONS)
def test_a_generated_section_of_the_readme_is_up_to_date(name: str) -> None:
    section = re.compile(rf"(?<=<!-- generated: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    wanted = SECTIONS[name]() + "\n"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        README.write_text(section.sub(lambda _: wanted, README.read_text(encoding="utf-8"), count=1), encoding="utf-8")
    found = section.search(README.read_text(encoding="utf-8"))
    assert found is not None
    assert found[0] == wanted


def test_the_configuration_snippets_can_be_parsed_and_start_this_server() -> None:
    text = README.read_text(encoding="utf-8")
    snippets = [json.loads(found) for found in re.findall(r"```json\n(.*?)```", text, re.DOTALL)]
    snippets += [tomllib.loads(found) for found in re.findall(r"```toml\n(.*?)```", text, re.DOTALL)]
    assert len(snippets) == 3
    for snippet in snippets:
        servers = snippet.get("mcpServers") or snippet.get("servers") or snippet.get("mcp_servers")
        assert servers["imagegen"]["command"] == "mcp-imagegen"
        known = {str(field.alias) for field in Settings.model_fields.values()}
        assert set(servers["imagegen"]["env"]) <= known


def test_it_says_that_a_model_can_agree_to_a_price_and_that_budgets_cannot_be_passed_so() -> None:
    money = " ".join(README.read_text(encoding="utf-8").partition("### Money\n")[2].partition("\n## ")[0].split())
    assert "A `max_cost_usd` that covers the price counts as a yes; a model can give that by itself" in money
    assert "so that budgets are the hard limit." in money


def test_every_make_target_and_file_that_the_readme_names_exists() -> None:
    text = README.read_text(encoding="utf-8")
    targets = set(re.findall(r"(?:^|`)make (\w+)", text, re.MULTILINE))
    assert targets >= {"demo", "test"}
    assert targets <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", text):
        assert (ROOT / link).exists(), link
