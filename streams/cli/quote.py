"""`loyalty quote`: a basket by hand, quoted as a till would show it."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.basket_file import read_case
from streams.cli.publishing import read
from streams.core.case import Case
from streams.core.explanation import Explanation, explain
from streams.core.optimum import Solver
from streams.core.quote import Quote, finish
from streams.core.vectors_promotions import quote_document

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

# Why a campaign does not apply, as a cashier would say it.
REASONS = {
    "not_running": "does not run now",
    "who": "is not for this member",
    "where": "is not for this store",
    "code": "needs a code",
    "offer": "needs an offer to this member",
    "limit": "is used up for this member",
    "budget": "is used up",
    "goods": "finds none of its goods here",
    "channel": "is for another channel",
    "payment": "asks for another tender",
    "threshold": "asks more of the basket",
    "conflict": "gives less than what applies instead",
    "no_gain": "would give nothing",
}


@app.command()
def quote(
    file: Annotated[Path, typer.Argument(help="A basket, in YAML or JSON.")],
    *,
    programme: Annotated[Path | None, typer.Option(help="The programme's file.")] = None,
    campaigns: Annotated[
        Path | None, typer.Option(help="The campaigns, a file or a folder.")
    ] = None,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """
    Quote a basket: discounts, points to spend, points to earn, and why not more.

    The file holds `basket` and may hold `member`, and `programme` and `campaigns`: documents,
    or paths beside the file. Options win over them; without either, the programme.yaml and
    the folder campaigns beside the file are used. YAML is written as campaigns are (`79.99` is
    money, `pieces: 2` or `quantity: 0.345`); JSON holds minor units and thousandths.
    """
    case = read([file], lambda each: [read_case(each, programme, campaigns)])[0]
    solver = Solver(case.problem)
    quoted = finish(case, solver)
    explained = explain(case, quoted.combination, solver)
    if json:
        output.print_json(quote_document(case, quoted, explained))
    else:
        for line in told(case, quoted, explained):
            output.say(line)


def told(case: Case, quoted: Quote, explained: Explanation) -> list[str]:
    """Write a quote as a till would: lines with what is taken off, sums, points, reasons."""
    exponent = case.programme.exponent
    rows: list[tuple[str, int | None]] = []
    for own, line in zip(case.basket.lines, quoted.lines, strict=True):
        price = output.money(own.price, exponent)
        rows.append((f"{output.quantity(own.quantity)} × {own.sku} at {price}", line.list))
        rows += [(f"   {_title(case, name)}", -off) for name, off in line.discounts.items()]
    rows += [("", None), ("Total", sum(line.list for line in quoted.lines))]
    if quoted.discount:
        rows.append(("Discounts", -quoted.discount))
    redeemed = sum(quoted.lots.values())
    if redeemed:
        value = case.programme.points[case.programme.redemption.currency].value
        rows.append((f"{redeemed:,} points", -redeemed * value))
    rows.append(("To pay", quoted.to_pay))
    width = max(len(text) for text, _ in rows) + 2
    lines = [
        text if amount is None else f"{text:<{width}}{output.money(amount, exponent):>12}"
        for text, amount in rows
    ]
    return [*lines, *_points(case, quoted), *_reasons(case, quoted, explained)]


def _points(case: Case, quoted: Quote) -> list[str]:
    zone = case.programme.zoneinfo
    lines = [""]
    if quoted.most > sum(quoted.lots.values()):
        lines.append(f"Up to {quoted.most:,} points can pay for it.")
    for lot in quoted.new_lots:
        until = (
            "for ever" if lot.expires_at is None else f"until {output.when(lot.expires_at, zone)}"
        )
        start = output.when(lot.active_from, zone)
        lines.append(
            f"Earns {lot.points:,} {lot.currency}: {_title(case, lot.campaign)}, "
            f"from {start} {until}"
        )
    lines.append(f"Good until {output.when(quoted.good_until, zone)}, quote {quoted.id}.")
    return lines


def _reasons(case: Case, quoted: Quote, explained: Explanation) -> list[str]:
    lines = []
    for name, reason in explained.not_applied.items():
        why = REASONS.get(reason.reason, reason.reason)
        unknown = f" (not known: {', '.join(reason.unknown)})" if reason.unknown else ""
        lines.append(f"Not applied: {_title(case, name)} {why}{unknown}.")
    if not quoted.combination.proven:
        lines.append("The search ended at its budget: a better combination may exist.")
    return ["", *lines] if lines else []


def _title(case: Case, name: str) -> str:
    live = {each.campaign: each for each in case.index.live(case.basket.at)}
    titles = live[name].titles if name in live else {}
    return titles.get("") or titles.get("en") or name
