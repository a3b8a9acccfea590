"""Settings are read once from the environment; a wrong one is refused with its name."""

from pathlib import Path

import pytest

from mcp_imagegen.errors import InvalidArgument
from mcp_imagegen.settings import Settings, from_environment


@pytest.mark.parametrize(
    ("environment", "provider"),
    [
        ({}, "sandbox"),
        ({"OPENAI_API_KEY": "sk-1"}, "openai"),
        ({"OPENAI_API_KEY": "   "}, "sandbox"),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "https://eu.api.openai.com/v1"}, "openai"),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "http://127.0.0.1:4000/v1"}, "compatible"),
        ({"OPENAI_BASE_URL": "http://127.0.0.1:4000/v1"}, "compatible"),
        ({"OPENAI_API_KEY": "sk-1", "OPENAI_BASE_URL": "https://notopenai.com/v1"}, "compatible"),
        ({"OPENAI_API_KEY": "sk-1", "MCP_IMAGEGEN_PROVIDER": "sandbox"}, "sandbox"),
        ({"AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com", "AZURE_OPENAI_API_KEY": "k"}, "azure"),
        ({"AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com", "OPENAI_API_KEY": "sk-1"}, "openai"),
        ({"AZURE_OPENAI_API_KEY": "k", "OPENAI_API_KEY": "sk-1"}, "openai"),
        (
            {
                "AZURE_OPENAI_ENDPOINT": "https://a.openai.azure.com",
                "AZURE_OPENAI_API_KEY": "k",
                "OPENAI_BASE_URL": "http://127.0.0.1:4000/v1",
            },
            "azure",
        ),
        ({"MCP_IMAGEGEN_PROVIDER": "openai", "OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://x/v1"}, "openai"),
    ],
)
def test_auto_takes_the_first_provider_that_fits(environment: dict[str, str], provider: str) -> None:
    assert from_environment(environment).resolved_provider == provider


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MCP_IMAGEGEN_PREVIEW_EDGE", "9999"),
        ("MCP_IMAGEGEN_BUDGET_CALL_USD", "-1"),
        ("MCP_IMAGEGEN_BUDGET_CALL_USD", "a dollar"),
        ("MCP_IMAGEGEN_PROVIDER", "opneai"),
        ("MCP_IMAGEGEN_PREVIEW", "maybe"),
        ("MCP_IMAGEGEN_IMAGES", "relative/folder"),
        ("MCP_IMAGEGEN_MAX_WAIT_S", "-7"),
        ("OPENAI_BASE_URL", "not a url"),
        ("MCP_IMAGEGEN_COMPATIBLE_DROP", "quality,edits.mask"),
        ("MCP_IMAGEGEN_COMPATIBLE_DROP", "images,quality"),
        ("OPENAI_BASE_URL", "https://openai.com@evil.example/v1"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:80800/v1"),
        ("OPENAI_BASE_URL", "http://127.0.0.1:0/v1"),
        ("AZURE_OPENAI_ENDPOINT", "https://a.openai.azure.com:port"),
        ("MCP_IMAGEGEN_BUDGET_CALL_USD", "inf"),
        ("MCP_IMAGEGEN_BUDGET_DAY_USD", "nan"),
        ("MCP_IMAGEGEN_BUDGET_MONTH_USD", "true"),
        ("MCP_IMAGEGEN_BUDGET_THREAD_USD", "-0.1"),
        ("MCP_IMAGEGEN_CONFIRM_ABOVE_USD", "-0.5"),
        ("MCP_IMAGEGEN_CONFIRM", "sometimes"),
    ],
)
def test_a_wrong_value_is_refused_with_the_name_of_its_variable(name: str, value: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_environment({name: value})
    assert name in refused.value.sentence
    assert value not in refused.value.sentence


@pytest.mark.parametrize("name", ["BUDGET_CALL", "BUDGET_THREAD", "BUDGET_DAY", "BUDGET_MONTH", "CONFIRM_ABOVE"])
def test_a_limit_below_the_least_amount_that_is_counted_is_refused(name: str) -> None:
    """It would be held as none at all, and be shown as $0.00."""
    variable = f"MCP_IMAGEGEN_{name}_USD"
    with pytest.raises(InvalidArgument, match=f"{variable}: must be 0.000000001 at least"):
        from_environment({variable: "0.00000000099"})
    assert from_environment({variable: "0.000000001"}).model_dump()[f"{name.lower()}_usd"] == 1e-9


def test_openai_without_a_key_is_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        from_environment({"MCP_IMAGEGEN_PROVIDER": "openai"})
    assert "OPENAI_API_KEY" in refused.value.sentence


def test_a_home_of_ones_own_keeps_the_images_too(tmp_path: Path) -> None:
    home = from_environment({"MCP_IMAGEGEN_HOME": str(tmp_path)})
    apart = from_environment({"MCP_IMAGEGEN_HOME": str(tmp_path), "MCP_IMAGEGEN_IMAGES": "/pictures"})
    assert [home.images, apart.images] == [tmp_path / "images", Path("/pictures")]


def test_a_tilde_means_the_home_folder() -> None:
    assert from_environment({"MCP_IMAGEGEN_HOME": "~/imagegen"}).home == Path.home() / "imagegen"


def test_no_key_is_shown_by_the_settings() -> None:
    settings = from_environment({"OPENAI_API_KEY": "sk-very-secret"})
    assert "sk-very-secret" not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_every_setting_has_a_variable_and_a_description() -> None:
    for name, field in Settings.model_fields.items():
        assert field.alias, name
        assert field.description, name
        assert field.alias.startswith(("MCP_IMAGEGEN_", "OPENAI_", "AZURE_OPENAI_"))
