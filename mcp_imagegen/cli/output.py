"""Standard output as commands need it. It may be closed or full, and lack most letters in its encoding."""

import io
import os
import sys
from traceback import walk_tb

import click


def for_people() -> None:
    """For a command that does nothing but show: titles have letters that not every terminal can show. Raises
    ClickException where there is nowhere to show anything."""
    if sys.stdout is None:  # which is how Python tells that it was closed
        raise click.ClickException("standard output is closed: there is nowhere to write to")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def for_programs() -> None:
    """What is exact goes to a pipe or a file in UTF-8: on Windows their encoding lacks most letters."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = None if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="backslashreplace")


def end_if_unwritten(error: OSError) -> None:
    """End the process with a sentence where the error is that of writing what was to be shown; else nothing."""
    if any(frame.f_code is click.echo.__code__ for frame, _ in walk_tb(error.__traceback__)):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the rest is written at the end
        sys.exit(f"Error: the output cannot be written: {error.strerror}")
