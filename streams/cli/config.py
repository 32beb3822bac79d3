"""`loyalty config`: the settings as this process sees them."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr

from streams.cli import output
from streams.cli.connection import settings
from streams.settings import SANDBOX_KEY, Settings

app = typer.Typer(help="Show the settings.", add_completion=False, rich_markup_mode="markdown")
SECRET = "(secret)"  # noqa: S105 -- what is printed instead of one


@app.callback()
def config() -> None:
    """Show the settings."""


@app.command()
def show(context: typer.Context, *, json: Annotated[bool, output.Json] = False) -> None:
    """Show every setting, where it comes from, and what it is for.  Secrets are masked."""
    chosen = settings(context)
    given = set(context.find_root().obj or {})
    rows = [
        (name, f"LOYALTY_{name.upper()}", _shown(value), _source(name, given), _about(name))
        for name, value in ((name, getattr(chosen, name)) for name in Settings.model_fields)
    ]
    if json:
        keys = ("setting", "variable", "value", "source", "about")
        output.print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    output.print_table(
        ("variable", "value", "from", "what it is"),
        ((variable, value, source, about) for _, variable, value, source, about in rows),
    )


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return "(the sandbox's)" if value.get_secret_value() == SANDBOX_KEY else SECRET
    return str(value) if isinstance(value, Path) else value


def _source(name: str, given: set[str]) -> str:
    if name in given:
        return "command line"
    return "environment" if f"LOYALTY_{name.upper()}" in os.environ else "default"


def _about(name: str) -> str:
    return Settings.model_fields[name].description or "Connection to Kafka."
