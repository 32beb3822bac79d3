"""What happened in a step, told so that a surprise can be understood."""

from collections.abc import Iterator

from streams.core.balances import balances
from streams.core.result import Result
from streams.scenarios.comparing import Comparison
from streams.scenarios.playing import Quoted, lots_of


def explained(comparison: Comparison) -> Iterator[str]:
    """Tell what came of a step: its answers, postings and reasons, and the balance after."""
    played = comparison.played
    if played.quoted is not None:
        yield from _quote(comparison, played.quoted)
    for answer in played.answers:
        yield from _answer(comparison, answer.result)
    if played.account is not None:
        yield from _balances(comparison, played.account)


def _answer(comparison: Comparison, result: Result) -> Iterator[str]:
    code = "" if result.code is None else f" {result.code}"
    whose = f", account {result.account}" if result.account else ""
    tier = f", earned as {result.tier}" if result.tier else ""
    yield f"{result.document}: {result.status}{code}{whose}{tier}"
    titles = {each.campaign: each for each in comparison.player.world.campaigns}
    for paid in result.rules:
        title = titles[paid.rule].titles.get("en", "") if paid.rule in titles else ""
        about = f" ({title})" if title else ""
        yield f"  {paid.rule} version {paid.version}{about} paid {paid.points}"
    names = _lot_names(comparison)
    for each in result.entries:
        lot = f" of lot {names.get(each.lot, each.lot)}" if each.lot else ""
        line = f", line {each.line}" if each.line else ""
        at = comparison.local(each.at)
        yield f"  {each.kind} {each.points} {each.currency}{lot}{line}, dated {at}"
    refund = result.refund
    if refund.money or refund.gift or refund.points:
        yield (
            f"  refund {comparison.money(refund.money)}, gift card "
            f"{comparison.money(refund.gift)}, {refund.points} points"
        )
    if result.flags:
        yield f"  flags {', '.join(result.flags)}"


def _lot_names(comparison: Comparison) -> dict[str, str]:
    accounts = comparison.player.world.history.accounts.values()
    return {lot.id: name for account in accounts for name, lot in lots_of(account.lots)}


def _balances(comparison: Comparison, account: str) -> Iterator[str]:
    found = comparison.player.world.account(account)
    for each in balances(found):
        yield (
            f"{each.currency} of {account} ({found.status}): active {each.active}, pending "
            f"{each.pending}, held {each.held}, debt {each.debt}, available {each.available}"
        )
    for name, lot in lots_of(found.lots):
        if lot.remaining:
            until = "" if lot.expires_at is None else f" until {comparison.local(lot.expires_at)}"
            start = comparison.local(lot.active_from)
            yield f"  lot {name}: {lot.remaining} {lot.class_} from {start}{until}"


def _quote(comparison: Comparison, quoted: Quoted) -> Iterator[str]:
    quote = quoted.quote
    for own, line in zip(quoted.case.basket.lines, quote.lines, strict=True):
        off = "".join(f", {name} {comparison.money(-x)}" for name, x in line.discounts.items())
        spent = sum(line.redeemed.values())
        points = f", {spent} points" if spent else ""
        earn = "".join(f", earns {name} {x}" for name, x in line.earn.items())
        yield (
            f"line {line.line} {own.sku}: {comparison.money(line.list)}{off}, net "
            f"{comparison.money(line.net)}{points}{earn}"
        )
    yield f"to pay {comparison.money(quote.to_pay)}, at most {quote.most} points"
    for name, reason in quoted.explanation.not_applied.items():
        unknown = f", unknown {', '.join(reason.unknown)}" if reason.unknown else ""
        against = f", against {', '.join(reason.against)}" if reason.against else ""
        yield f"not applied: {name}: {reason.reason}{unknown}{against}"
