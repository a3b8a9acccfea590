"""`mcp-imagegen sandbox`: the stand-in for OpenAI's API, for other programs and for continuous integration."""

import asyncio
import signal

import click

from ..sandbox.app import Sandbox
from ..sandbox.serving import running


@click.command(name="sandbox")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any free one.")
@click.option("--seconds-per-image", default=0.0, show_default=True, type=click.FloatRange(0), help="At least so long.")
def command(port: int, seconds_per_image: float) -> None:
    """Serve OpenAI's image endpoints on 127.0.0.1, with pictures drawn locally, until a signal. Takes any key.

    Says on stderr what to set OPENAI_BASE_URL to.
    """
    try:
        asyncio.run(_serve(Sandbox(seconds_per_image=seconds_per_image), port))
    except OSError as error:
        raise click.ClickException(f"port {port} cannot be listened on: {error.strerror}") from None


async def _serve(sandbox: Sandbox, port: int) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    async with running(sandbox.app, port) as url:
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: loop.call_soon_threadsafe(stop.set))
        click.echo(f"The sandbox listens; set OPENAI_BASE_URL={url} and any OPENAI_API_KEY.", err=True)
        await stop.wait()
