"""`loyalty worker`: one app as one process."""

import sys
from enum import StrEnum
from typing import Annotated

import typer

from streams.cli.connection import settings

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


class AppName(StrEnum):
    """The apps: each is one consumer group and one kind of process."""

    intake = "intake"
    settle = "settle"
    marketing = "marketing"
    clock = "clock"


@app.command()
def worker(
    context: typer.Context,
    name: Annotated[AppName, typer.Argument(metavar="APP", help="Which app to run.")],
) -> None:
    """
    Run one app until SIGTERM.  Start several of one app to share its partitions.

    **Apps**

    * intake: reads receipts and members, hides who is who, and routes each document.
    * settle: decides each document on its account, and publishes bonuses and accounts.
    * marketing: turns bonuses into notifications.
    * clock: a tick a minute for every partition.

    **Settings** are LOYALTY_* variables; `loyalty config show` lists them.  Two workers of
    one app on one machine need a LOYALTY_DATA_DIR each.  LOYALTY_PORT serves /live, /ready
    and /metrics.  LOYALTY_INSTANCE keeps its partitions over a quick restart.

    **Exit codes:** 0 stopped in order; 1 the set-up is wrong (`loyalty doctor` says how);
    2 wrong usage; 70 stopped without acknowledging, because Kafka or the machine failed:
    start it again, nothing is lost or counted twice.
    """
    chosen = settings(context)
    from streams.worker import run  # noqa: PLC0415 -- loads the engine, which help does not need

    sys.exit(run(name.value, chosen))
