"""`mcp-imagegen sandbox`: the stand-in for OpenAI's API, for other programs and for continuous integration."""

import click


@click.command(name="sandbox")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port on 127.0.0.1.")
@click.option(
    "--seconds-per-image", default=0.0, show_default=True, type=click.FloatRange(0), help="Delay of each image."
)
def command(port: int, seconds_per_image: float) -> None:
    """Serve OpenAI's image endpoints on 127.0.0.1 with pictures drawn locally. Any bearer token is accepted.

    Point OPENAI_BASE_URL at http://127.0.0.1:PORT/v1.
    """
    from ..sandbox.app import Sandbox
    from ..sandbox.serving import serve

    serve(Sandbox(seconds_per_image=seconds_per_image), port)
