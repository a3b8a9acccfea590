"""`mcp-imagegen`, also as `python -m mcp_imagegen`.

Without arguments it serves stdio, and that is decided before anything else is imported: clients wait for the start.
The collector is off meanwhile, since the objects that imports make all stay; this saves a tenth of the start.
"""

import gc
import sys


def main() -> None:
    if sys.argv[1:] in ([], ["serve"]) and not sys.stdin.isatty():
        _serve_stdio()
        return
    from .cli.main import command

    command(prog_name="mcp-imagegen")


def _serve_stdio() -> None:
    gc.disable()
    from . import logs, settings
    from .errors import ImagegenError
    from .transports import stdio

    gc.freeze()
    gc.enable()
    try:
        configured = settings.from_environment()
    except ImagegenError as error:
        sys.exit(f"{error}\nTo fix: {error.fix}")
    logs.configure(configured.log_level)
    settings.warn_of_unknown()
    stdio.serve(configured)


if __name__ == "__main__":
    main()
