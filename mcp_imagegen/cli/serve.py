"""`mcp-imagegen serve`: the server, over stdio or HTTP."""

import click

from .. import logs, settings
from ..errors import ImagegenError


@click.command(name="serve")
@click.option("--http", is_flag=True, help="Serve Streamable HTTP at /mcp instead of stdio.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; loopback only.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def command(http: bool, host: str, port: int) -> None:
    """Serve MCP over stdio, or with --http over Streamable HTTP on loopback."""
    try:
        configured = settings.from_environment()
        logs.configure(configured.log_level)
        settings.warn_of_unknown()
        if http:
            from ..transports import http as over_http

            over_http.serve(configured, host=host, port=port)
        else:
            from ..transports import stdio

            stdio.serve(configured)
    except ImagegenError as error:
        raise click.ClickException(f"{error}\nTo fix: {error.fix}") from None
