"""The command line: `mcp-imagegen COMMAND`. Each command is a file of its own, imported when it is called."""

import importlib
from importlib.metadata import version
from typing import Any

import click

from . import output

COMMANDS = {
    "serve": "Serve MCP over stdio, or with --http over Streamable HTTP.",
    "spend": "Show what calls cost, by day, model, thread or client.",
    "demo": "Do the main job on the sandbox and show it.",
    "threads": "List, show and delete threads with their images.",
    "sandbox": "Run the stand-in for OpenAI's API for other programs.",
}


class _LateCommands(click.Group):
    """Commands by name; their modules are imported only when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found = importlib.import_module(f"{__package__}.{cmd_name}").command
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(self, *args: Any, **options: Any) -> Any:
        """As click's, which leaves a traceback of what could not be written."""
        try:
            return super().main(*args, **options)
        except OSError as error:
            output.end_if_unwritten(error)
            raise


@click.group(cls=_LateCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("mcp-imagegen"))
def command() -> None:
    """An MCP server for OpenAI's image models.

    Without a command it serves MCP over stdio, as clients start it; on a terminal it shows this help.
    """
