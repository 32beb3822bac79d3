"""`loyalty tail`: the records of a topic, decoded; committed ones only."""

import contextlib
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer

from streams.cli import output
from streams.cli.connection import reading, settings, values
from streams.cli.errors import USAGE, VerbError
from streams.reading.log import END, START, Logged, LogReader
from streams.reading.values import HIDDEN, Values

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@app.command()
def tail(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(help="Full name, or a short one such as bonuses.")],
    *,
    start: Annotated[
        str, typer.Option("--from", help="start, end, or an offset for every partition.")
    ] = "start",
    most: Annotated[int | None, typer.Option("--max", min=1, help="Stop after N records.")] = None,
    partition: Annotated[int | None, typer.Option(min=0, help="Only this partition.")] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for more at the end.")
    ] = False,
    personal: Annotated[
        bool, typer.Option("--personal", help="Show personal data, which is hidden otherwise.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """
    Print the records of a topic, decoded, to its end.

    With --from end it waits for what comes.  Only committed records are read, as every
    consumer of these topics must.
    """
    chosen = settings(context)
    reader = values(chosen)
    with reading(chosen) as log, contextlib.suppress(KeyboardInterrupt):
        name = full_name(log, chosen.tenant, topic)
        offset = _offset(start)
        waits = follow or offset == END
        for count, logged in enumerate(_records(log, name, partition, offset, waits=waits), 1):
            _print(reader, logged, personal=personal, json=json)
            if count == most:
                break


def full_name(log: LogReader, tenant: str, topic: str) -> str:
    """Complete a short topic name: `bonuses` is `<tenant>.bonuses.v1`, `x.dlq` its letters."""
    known = log.topics()
    short, dlq = topic.removesuffix(".dlq"), ".dlq" if topic.endswith(".dlq") else ""
    candidates = (topic, f"{tenant}.{topic}", f"{tenant}.{short}.v1{dlq}")
    return next((name for name in candidates if name in known), topic)


def _offset(start: str) -> int:
    if start in {"start", "end"}:
        return START if start == "start" else END
    if not start.isdigit():
        raise VerbError(
            "USAGE", f"--from {start} is no start, end or offset", "loyalty tail --help", USAGE
        )
    return int(start)


def _records(
    log: LogReader, topic: str, partition: int | None, offset: int, *, waits: bool
) -> Iterator[Logged]:
    wanted = None if partition is None else {partition}
    if waits:
        return log.follow(topic, partitions=wanted, start=offset)
    return log.to_end([topic], partitions=wanted, start=offset)


def _print(reader: Values, logged: Logged, *, personal: bool, json: bool) -> None:
    row = shown(reader, logged, personal=personal)
    if json:
        output.print_json(row)
        return
    place = f"{row['partition']:>2}@{row['offset']:<8}"
    body = msgspec.json.encode(row["value"]).decode() if row["error"] is None else row["error"]
    output.say(f"{place} {output.when(row['timestamp'])} {row['key'] or '–'} {body}")


def shown(reader: Values, logged: Logged, *, personal: bool) -> dict[str, Any]:
    """Give a record as it is printed; raw bytes are counted and not shown."""
    topic = logged.position.topic
    decoded = reader.shown(topic, logged.value, personal=personal)
    value, error = decoded.value, decoded.error
    if decoded.record is None and logged.value is not None:
        error = f"({len(logged.value)} bytes of no known schema)"
    elif error is not None:
        error = f"({error})"
    return {
        "topic": topic,
        "partition": logged.position.partition,
        "offset": logged.position.offset,
        "timestamp": logged.timestamp,
        "key": _key(logged, value, known=decoded.record is not None, personal=personal),
        "headers": {name: text.decode("utf-8", "replace") for name, text in logged.headers},
        "record": decoded.record,
        "value": value,
        "error": error,
    }


def _key(logged: Logged, value: Any, *, known: bool, personal: bool) -> str | None:
    """Show a key that cannot be an identifier: tills may key their receipts by anything."""
    if logged.key is None:
        return None
    text = logged.key.decode("utf-8", "replace")
    topic = logged.position.topic
    of_till = ".receipts." in topic or ".members." in topic or not known
    names = isinstance(value, dict) and text in (value.get("id"), value.get("account"))
    return text if personal or names or not of_till else HIDDEN
