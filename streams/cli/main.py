"""
The command line: `loyalty VERB`.

A verb's module is imported when the verb is run.  So `loyalty --help` needs neither Kafka
nor the settings, and a verb that reads files works where no broker can be reached.
"""

import sys
import tomllib
from collections.abc import Sequence
from importlib import import_module, metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from streams.cli.errors import USAGE, VerbError

# Verb → what `loyalty --help` says of it.  Its module is streams.cli.<verb>, in the
# order in which a newcomer meets them.
VERBS = {
    "demo": "Play a shop on a real Kafka, from receipts to bonuses, and check the books.",
    "doctor": "Say what is wrong with the set-up, and what to do about it.",
    "worker": "Run one app: intake, settle, marketing or clock.",
    "topics": "Plan, apply and check the topics.",
    "schemas": "Check and register the schemas.",
    "programmes": "Publish and list programmes.",
    "campaigns": "Check, publish and list campaigns.",
    "members": "Show a member's balance, and explain every point of it.",
    "receipts": "Show what became of a receipt.",
    "quote": "Quote a basket by hand, as a till would show it.",
    "dlq": "List and show what could not be read.",
    "tail": "Print the records of a topic, decoded.",
    "reconcile": "Check the books from the topics alone.",
    "config": "Show the settings.",
    "scenario": "Run stories of a shop through the core.",
    "vectors": "Run worked examples through the core.",
    "bench": "Run a benchmark.",
}
# A signal's exit code by custom: 128 + SIGINT.
INTERRUPTED = 130
PROJECT = Path(__file__).parents[2] / "pyproject.toml"


class Verbs(TyperGroup):
    """The group of all verbs, which imports one when it is called."""

    def list_commands(self, _: Any) -> list[str]:
        """Name the verbs in order."""
        return list(VERBS)

    def get_command(self, context: Any, name: str) -> Any:
        """Give the verb *name*; for the list of verbs only its name and help."""
        if name not in VERBS:
            return None
        if getattr(context, "listing", False):
            stub = typer.Typer(help=VERBS[name], add_completion=False)
            stub.command(name, help=VERBS[name])(_nothing)
            return typer.main.get_command(stub)
        verb = typer.main.get_command(import_module(f"streams.cli.{name}").app)
        verb.name = name
        return verb

    def format_help(self, context: Any, formatter: Any) -> None:
        """List the verbs without importing them."""
        context.listing = True
        super().format_help(context, formatter)

    def resolve_command(self, context: Any, args: list[str]) -> Any:
        """Find the verb, or say which one was probably meant."""
        # The names alone: typer suggests from them.
        self.commands = dict.fromkeys(VERBS)  # type: ignore[assignment]
        return super().resolve_command(context, args)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run a verb; whatever it could not do becomes one line and an exit code."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except VerbError as error:
            typer.echo(error.line(), err=True)
            sys.exit(error.exit_code)
        except (typer.Abort, KeyboardInterrupt):
            sys.exit(INTERRUPTED)
        except _WRONG_USE as error:
            where = error.ctx.command_path if error.ctx else "loyalty"
            wrong = VerbError("USAGE", error.format_message(), f"{where} --help", USAGE)
            typer.echo(wrong.line(), err=True)
            sys.exit(USAGE)
        except BrokenPipeError:
            # The reader of a pipe had enough; Python must not complain at exit.
            sys.stdout = None
            sys.exit(0)
        sys.exit(code if isinstance(code, int) else 0)


# Typer brings a copy of click since 0.20 and names no public base of its usage errors.
_WRONG_USE: Any = typer.BadParameter.__mro__[1]


def _nothing() -> None:
    pass


app = typer.Typer(
    cls=Verbs,
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode="rich",
    epilog="Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 70 Kafka or the machine.",
)


@app.callback()
def loyalty(
    context: typer.Context,
    *,
    brokers: Annotated[
        str | None, typer.Option(help="Bootstrap servers, instead of LOYALTY_BROKERS.")
    ] = None,
    tenant: Annotated[
        str | None, typer.Option(help="First word of topic names, instead of LOYALTY_TENANT.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Run and look into a loyalty engine on Kafka: receipts in, bonuses out, exactly once."""
    given = {"brokers": brokers, "tenant": tenant}
    context.obj = {name: value for name, value in given.items() if value is not None}
    if version:
        typer.echo(f"loyalty-streams {_version()}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def _version() -> str:
    """Read the version of the installed package, or of the checkout that is run from."""
    try:
        return metadata.version("loyalty-streams")
    except metadata.PackageNotFoundError:
        project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
        return f"{project['version']} (checkout)"


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    command = typer.main.get_command(app)
    command.main(args=None if args is None else list(args), prog_name="loyalty")
