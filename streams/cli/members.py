"""`loyalty members`: a balance, and where every point of it comes from."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from msgspec import Struct

from streams.cli import output
from streams.cli.connection import codec, reading, settings
from streams.cli.errors import USAGE, VerbError
from streams.cli.programmes import served
from streams.cli.receipts import named
from streams.core.ownership import is_home
from streams.engine.stage import changelog_topic
from streams.identifiers import Digester, IdentifierError
from streams.reading.log import LogReader
from streams.reading.member import Member, Story, account_of, explain, find
from streams.settings import Settings
from streams.topics import Names

app = typer.Typer(
    help="Show a member's balance, and explain every point of it.",
    add_completion=False,
    rich_markup_mode="markdown",
)

Account = Annotated[str | None, typer.Argument(help="Account id.", show_default=False)]
Card = Annotated[str | None, typer.Option(help="Instead: a card number; - reads it from stdin.")]
Phone = Annotated[str | None, typer.Option(help="Instead: a phone number; - reads stdin.")]
Email = Annotated[str | None, typer.Option(help="Instead: an e-mail address; - reads stdin.")]
At = Annotated[
    str | None,
    typer.Option("--at", help="As of this ISO instant; by default the account's last event."),
]


class View(Struct, frozen=True):
    """What both verbs look at: the member, the instant, and how to write time and money."""

    chosen: Settings
    log: LogReader
    member: Member
    at: int
    zone: ZoneInfo | None
    exponent: int


@app.command()
def show(
    context: typer.Context,
    account: Account = None,
    *,
    card: Card = None,
    phone: Phone = None,
    email: Email = None,
    at: At = None,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Show the balance per currency, the tier and the debts."""
    with _view(context, account, {"card": card, "phone": phone, "email": email}, at) as view:
        if json:
            output.print_json(_summary(view))
        else:
            _print_summary(view)


@app.command("explain")
def explain_member(
    context: typer.Context,
    account: Account = None,
    *,
    card: Card = None,
    phone: Phone = None,
    email: Email = None,
    at: At = None,
    ended: Annotated[
        bool, typer.Option("--all", help="Tell of ended and spent lots, too.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Explain the balance lot by lot: receipt, lines, campaign version, log position."""
    with _view(context, account, {"card": card, "phone": phone, "email": email}, at) as view:
        names = Names(view.chosen.tenant)
        stories = explain(
            view.log,
            codec(view.chosen),
            names,
            view.member,
            settled_changelog=changelog_topic(f"{view.chosen.tenant}-settle", "settle", "settled"),
            at=view.at,
            ended=ended,
        )
    if json:
        output.print_json(_summary(view) | {"lots": [_story(each) for each in stories]})
        return
    _print_summary(view)
    for story in stories:
        output.say()
        for line in told(story, zone=view.zone, exponent=view.exponent):
            output.say(line)
    if not stories:
        output.say("\nNo lot holds points." + ("" if ended else "  --all tells of ended ones."))


@contextmanager
def _view(
    context: typer.Context, account: str | None, identifiers: dict[str, str | None], at: str | None
) -> Iterator[View]:
    chosen = settings(context)
    names = Names(chosen.tenant)
    given = [(kind, value) for kind, value in identifiers.items() if value is not None]
    if len(given) + (account is not None) != 1:
        raise VerbError(
            "USAGE",
            "name one member: an account id, or one of --card, --phone, --email",
            "loyalty members show --help",
            USAGE,
        )
    with reading(chosen) as log:
        if account is None:
            account = _resolved(chosen, log, *given[0])
        member = find(log, codec(chosen), names, account)
        if member is None:
            raise VerbError(
                "UNKNOWN",
                f"no account {account} has been published",
                "an account appears with its first receipt; 'loyalty tail accounts' lists them",
            )
        programme = served(chosen, log)
        zone = programme.zoneinfo if programme else None
        instant = member.snapshot.mark or 0
        if at is not None:
            instant = _instant(at, zone)
        yield View(chosen, log, member, instant, zone, programme.exponent if programme else 2)


def _resolved(chosen: Settings, log: LogReader, kind: str, value: str) -> str:
    if value == "-":
        value = sys.stdin.readline().strip()
    key = chosen.identifier_key.get_secret_value().encode()
    digester = Digester(key, chosen.region)
    try:
        return account_of(
            log, codec(chosen), Names(chosen.tenant), digester, kind=kind, value=value
        )
    except IdentifierError as error:
        raise VerbError(
            "IDENTIFIER", f"that is no {kind}: {error}", "give it as it is printed or said", USAGE
        ) from None


def _instant(text: str, zone: ZoneInfo | None) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise VerbError(
            "USAGE", f"--at {text} is no ISO instant", "write it like 2017-03-01T12:00", USAGE
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone or ZoneInfo("UTC"))
    return int(moment.timestamp() * 1000)


def _summary(view: View) -> dict[str, Any]:
    held = view.member.snapshot
    return {
        "account": held.account,
        "status": held.status,
        "registered": not is_home(held.account),
        "merged_into": held.merged_into,
        "tier": held.tier,
        "version": held.version,
        "chain": held.chain,
        "mark": held.mark,
        "at": view.at,
        "balances": named(view.member.balances(view.at)),
        "debts": named(held.debts),
        "snapshot": str(view.member.position),
    }


def _print_summary(view: View) -> None:
    held = view.member.snapshot
    tier = f", tier {held.tier}" if held.tier else ""
    output.say(f"Account {held.account}: {held.status}{tier}, version {held.version}.")
    if held.merged_into is not None:
        output.say(f"It was merged into {held.merged_into}; look there.")
    if is_home(held.account):
        output.say("Nobody has registered its card or phone yet; its points wait.")
    output.say(f"As of {output.when(view.at, view.zone)}, from {view.member.position}.\n")
    output.print_table(
        ("currency", "available", "active", "pending", "held", "debt"),
        (
            (x.currency, x.available, x.active, x.pending, x.held, x.debt)
            for x in view.member.balances(view.at)
        ),
    )
    for debt in held.debts:
        output.say(f"Owed: {debt.points:,} {debt.currency}, run up by {debt.origin}.")


def _story(story: Story) -> dict[str, Any]:
    fields: dict[str, Any] = named(story)
    for name in ("result", "command"):
        position = getattr(story, name)
        fields[name] = None if position is None else str(position)
    for shown, move in zip(fields["moves"], story.moves, strict=True):
        shown["result"] = str(move.result)
        shown["command"] = None if move.command is None else str(move.command)
    return fields


STATES = {
    "active": "can be spent",
    "pending": "cannot be spent yet",
    "held": "held until the account is open",
    "ended": "ended",
}
# What a posting did to the lot, in words that a member understands.
MOVES = {
    "redemption": "spent",
    "clawback": "taken back for a return",
    "reinstatement": "given back with a return",
    "expiry": "expired",
    "forfeit": "ended with the account",
    "unexpiry": "brought back for a return after the end",
    "repay": "used to pay a debt",
    "transfer": "moved with a merge",
    "adjustment": "taken by hand",
    "absorb": "noted against a return after the end",
    "unabsorb": "no longer noted against a return",
}


def told(story: Story, *, zone: ZoneInfo | None, exponent: int) -> list[str]:
    """
    Tell a lot's story in plain lines, indented under its first.

    Args:
        story: The lot.
        zone: To write instants in; UTC when None.
        exponent: Digits of the money after the point.
    """
    lot = story.lot
    state = f"{STATES[story.state]}, {_term(story, zone)}"
    lines = [
        f"{lot.remaining:,} {lot.currency} of {lot.credited:,} left: {state}  [lot {lot.id}]",
        f"  {_origin(story, zone)}",
    ]
    for goods in story.goods:
        share = "" if goods.points is None else f" earned {goods.points:,}"
        lines.append(
            f"    line {goods.n}: {output.quantity(goods.qty)} × {goods.sku} for "
            f"{output.money(goods.amount, exponent)}{share}"
        )
    lines += [
        f"  {output.when(move.at, zone)}: {move.points:,} {MOVES.get(move.kind, move.kind)}, "
        f"document {move.document}{'' if move.line is None else f' line {move.line}'}"
        f" [{move.command or move.result}]"
        for move in story.moves
    ]
    if story.result is not None:
        command = "" if story.command is None else f"decided from {story.command}, "
        lines.append(f"  {command}result {story.result_id} at {story.result}")
    return lines


def _term(story: Story, zone: ZoneInfo | None) -> str:
    lot = story.lot
    until = "for ever" if lot.expires_at is None else f"until {output.when(lot.expires_at, zone)}"
    if story.state == "pending":
        return f"from {output.when(lot.active_from, zone)} {until}"
    return until


def _origin(story: Story, zone: ZoneInfo | None) -> str:
    lot = story.lot
    if lot.reissued:
        return f"given back anew by document {lot.document}"
    if lot.rule == "adjust":
        return f"given by hand, adjustment {lot.document}"
    sold = "" if story.sold_at is None else f" of {output.when(story.sold_at, zone)}"
    store = "" if story.store is None else f" at store {story.store}"
    return f"campaign {lot.rule} v{lot.version}, for receipt {lot.document}{sold}{store}"
