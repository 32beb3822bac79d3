"""Worked histories of ledger.md, run through the core.

A file is `{format, about, defaults?, arithmetic?, vectors: […]}`.  Events are fed
in order to empty accounts; `run` gives every difference between what a vector
expects and what the core says, entries and hash chain included.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from streams.core.account import Account
from streams.core.accrual import LotTerms
from streams.core.adjustments import Adjustment
from streams.core.allocation import spread
from streams.core.balances import balances
from streams.core.calendar import instant, iso
from streams.core.history import History
from streams.core.lots import Lot
from streams.core.policy import LedgerPolicy, ledger_policy
from streams.core.postings import Entry
from streams.core.receipt import (
    LineDiscount,
    Original,
    Receipt,
    RedeemRequest,
    ReturnLine,
    SaleLine,
)
from streams.core.result import Balance, Result
from streams.core.simple_rules import RuleLot, simple_rules
from streams.core.status import StatusChange
from streams.core.tiers import tier_at
from streams.core.vectors_promotions import Difference, VectorsError, differences

RECEIPT_KEYS = frozenset(
    {
        "type", "id", "account", "sold_at", "accepted_at", "lines", "offline", "hold_id",
        "held_at", "void_of", "gift_card", "birthday_year", "store", "till", "quote_id", "codes",
        "identifiers", "payments", "channel", "person",
    }
)  # fmt: skip
SALE_KEYS = frozenset({"n", "sku", "qty", "list", "discounts", "amount", "redeem"})
RETURN_KEYS = frozenset({"n", "sku", "qty", "of"})
OTHER_KEYS = {
    "adjust": frozenset(
        {
            "type", "id", "account", "at", "points", "currency", "actor", "reason", "approver",
            "lot", "allow_debt", "person",
        }
    ),
    "tick": frozenset({"type", "account", "at"}),
    "status": frozenset({"type", "id", "account", "status", "at"}),
    "merge": frozenset({"type", "id", "from", "to", "at"}),
    "unmerge": frozenset({"type", "id", "from", "at"}),
}  # fmt: skip
ORDERED = ("entries", "chain")  # Of a result; a file without them binds the figures alone.
VECTOR_KEYS = frozenset(
    {"name", "cases", "policy", "rules", "budgets", "events", "published", "expect", "about"}
)


def run(document: Mapping[str, Any]) -> list[Difference]:
    """
    Run all vectors of *document*.

    A vector that can't be run at all is one difference at the path "".

    Raises:
        VectorsError: If *document* is no such file.
    """
    vectors = document.get("vectors") if isinstance(document, Mapping) else None
    if not isinstance(vectors, list):
        raise VectorsError("no file of worked histories: it has no list `vectors`")
    found = list(_arithmetic(document))
    for vector in vectors:
        found += run_one(vector, document.get("defaults"))
    return found


def run_one(
    vector: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> Iterator[Difference]:
    """Yield the differences of one vector."""
    name = str(vector.get("name", "")) if isinstance(vector, Mapping) else ""
    try:
        got = outcome(vector, defaults)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield Difference(name, "", "a history", f"{type(error).__name__}: {error}")
        return
    for part, expected in vector.get("expect", {}).items():
        found = got.get(part)
        if part == "results":
            found = _bound(expected, found)
        yield from differences(name, part, expected, found)
    for figure in vector.get("published") or ():
        path = figure["path"]
        yield from differences(name, "published." + ".".join(path), figure["value"], _at(got, path))


def _bound(expected: Mapping[str, Any], found: Any) -> dict[str, Any]:
    """Leave out of *found* the postings that a file doesn't bind: their order is ours."""
    return {
        document: {
            key: value
            for key, value in result.items()
            if key not in ORDERED or key in expected.get(document, result)
        }
        for document, result in found.items()
    }


def outcome(vector: Mapping[str, Any], defaults: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """
    Run the events of *vector* and write what came of them as `expect` does.

    Raises:
        ValueError: If an event, a rule or a policy cannot be read; says which.
    """
    _known(vector, VECTOR_KEYS, "vector")
    policy = ledger_policy({**(defaults or {}), **(vector.get("policy") or {})})
    rules = simple_rules(
        vector.get("rules") or (), point_value=policy.point_value, currency=policy.currency
    )
    history = History(policy, rules, budgets=dict(vector.get("budgets") or {}))
    responses = []
    for index, event in enumerate(vector["events"]):
        try:
            response = _feed(history, event)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"event {index}: {error}") from error
        responses.append([response.document, response.status, response.code])
    return {
        "responses": responses,
        "results": {each: result_document(result) for each, result in history.results.items()},
        "accounts": {
            each: account_document(account, policy)
            for each, account in sorted(history.accounts.items())
            if account.version
        },
    }


def _arithmetic(document: Mapping[str, Any]) -> Iterator[Difference]:
    """Check the sums that name a spread, `10.00 over 3` or `2.00 over 3x5`."""
    for each in document.get("arithmetic") or ():
        what = str(each.get("what", ""))
        money, _, over = what.partition(" over ")
        whole, point, cents = money.partition(".")
        if not point or not (whole + cents).isdigit():
            continue  # Named after a vector's figures, which its results hold.
        weights = _weights(over)
        if weights is not None:
            got = list(spread(int(whole + cents), weights))
            yield from differences(f"arithmetic {what}", "value", each["value"], got)


def _weights(over: str) -> list[int] | None:
    """Read `3` (equal parts), `3x5` (three of 5) or `{0,10,10}`."""
    if over.startswith("{") and over.endswith("}"):
        return [int(each) for each in over[1:-1].split(",")]
    count, _, weight = over.partition("x")
    if not count.isdigit() or (weight and not weight.isdigit()):
        return None
    return [int(weight or 1)] * int(count)


# --- Reading events -------------------------------------------------------------


def _known(document: Any, keys: frozenset[str], what: str) -> None:
    if not isinstance(document, Mapping):
        raise TypeError(f"{what} is no map: {document!r}")
    unknown = sorted(set(document) - keys)
    if unknown:
        raise ValueError(f"{what} has {unknown[0]!r}; known are {', '.join(sorted(keys))}")


def _feed(history: History, event: Mapping[str, Any]) -> Any:
    kind = event.get("type")
    if kind == "receipt":
        return history.receive(receipt_from(event), event.get("account"), event.get("person"))
    if kind not in OTHER_KEYS:
        raise ValueError(f"type {kind!r}; known are receipt, {', '.join(OTHER_KEYS)}")
    _known(event, OTHER_KEYS[str(kind)], f"{kind} {event.get('id', '')}")
    at = instant(event["at"])
    if kind == "tick":
        return history.tick(event["account"], at)
    if kind == "merge":
        return history.merge(event["id"], event["from"], event["to"], at)
    if kind == "unmerge":
        return history.unmerge(event["id"], event["from"], at)
    if kind == "status":
        change = {"id": event["id"], "account": event["account"], "status": event["status"]}
        return history.set_status(msgspec.convert({**change, "at": at}, StatusChange))
    return history.adjust(_adjustment(event, at))


def _adjustment(event: Mapping[str, Any], at: int) -> Adjustment:
    lot = msgspec.convert(event.get("lot") or {}, RuleLot)
    return msgspec.convert(
        Adjustment(
            id=event["id"],
            account=event["account"],
            at=at,
            points=event["points"],
            currency=event.get("currency") or lot.currency or "P",
            actor=event.get("actor") or "",
            reason=event.get("reason") or "",
            approver=event.get("approver"),
            terms=LotTerms(lot.class_, lot.spendable_on, lot.delay, lot.valid),
            allow_debt=event.get("allow_debt", False),
            person=event.get("person"),
        ),
        Adjustment,
    )


def receipt_from(event: Mapping[str, Any]) -> Receipt:
    """
    Read the receipt of an event: instants are ISO 8601, `accepted_at` defaults to `sold_at`.

    Raises:
        ValueError: If it has a key that is not known or a value of another type.
    """
    _known(event, RECEIPT_KEYS, f"receipt {event.get('id', '')}")
    sales, returns = [], []
    for line in event.get("lines") or ():
        if isinstance(line, Mapping) and "of" in line:
            _known(line, RETURN_KEYS, "return line")
            returns.append(line)
        else:
            _known(line, SALE_KEYS, "line")
            sales.append(line)
    sold_at = instant(event["sold_at"])
    accepted_at = event.get("accepted_at")
    held_at = event.get("held_at")
    plain = {
        key: event[key]
        for key in (
            "id", "offline", "hold_id", "quote_id", "void_of", "birthday_year", "channel",
            "payments", "identifiers",
        )
        if event.get(key) is not None
    }  # fmt: skip
    return msgspec.convert(
        {
            **plain,
            "store": event.get("store", ""),
            "till": event.get("till", ""),
            "sold_at": sold_at,
            "accepted_at": sold_at if accepted_at is None else instant(accepted_at),
            "held_at": None if held_at is None else instant(held_at),
            "gift_card": event.get("gift_card", 0),
            "codes": event.get("codes", ()),
            "sales": [_sale(line) for line in sales],
            "returns": [_return(line) for line in returns],
        },
        Receipt,
        from_attributes=True,
    )


def _sale(line: Mapping[str, Any]) -> SaleLine:
    return msgspec.convert(
        {
            **line,
            "redeem": [msgspec.convert(each, RedeemRequest) for each in line.get("redeem", ())],
            "discounts": [
                msgspec.convert({"version": 1, **each}, LineDiscount)
                for each in line.get("discounts", ())
            ],
        },
        SaleLine,
        from_attributes=True,
    )


def _return(line: Mapping[str, Any]) -> ReturnLine:
    of = line["of"]
    return msgspec.convert(
        {**line, "of": None if of is None else msgspec.convert(of, Original)},
        ReturnLine,
        from_attributes=True,
    )


# --- Writing results ------------------------------------------------------------


def result_document(result: Result) -> dict[str, Any]:
    """Write a result as the worked histories do."""
    document: dict[str, Any] = {
        "id": result.document,
        "result_id": result.result_id,
        "status": result.status,
        "code": result.code,
    }
    if result.status != "ok":
        return document
    document["account"] = result.account
    if result.account is not None:
        document |= {
            "tier_after": result.tier_after,
            "balances": _balances(result.balances),
            "version": result.version,
            "chain": result.chain,
            "entries": [_entry(each) for each in result.entries],
        }
    if result.kind == "receipt":
        document |= {
            "lines": {
                str(line.n): {
                    "earned": line.earned,
                    "redeemed": line.redeemed,
                    "clawed": line.clawed,
                    "reinstated": line.reinstated,
                }
                for line in result.lines
            },
            "refund": msgspec.structs.asdict(result.refund),
            "flags": list(result.flags),
            "tier": result.tier,
        }
        if result.rules:
            document["rules"] = [[each.rule, each.version, each.points] for each in result.rules]
    return document


def account_document(account: Account, policy: LedgerPolicy) -> dict[str, Any]:
    """Write an account at its mark as the worked histories do."""
    mark = account.mark or 0
    return {
        "version": account.version,
        "as_of": iso(mark),
        "balances": _balances(balances(account)),
        "lots": [_lot(each) for each in account.lots],
        "tier": tier_at(account, mark, policy),
    }


def _balances(found: tuple[Balance, ...]) -> dict[str, dict[str, int]]:
    return {
        each.currency: {
            "active": each.active,
            "pending": each.pending,
            "held": each.held,
            "debt": each.debt,
            "available": each.available,
        }
        for each in found
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "kind": entry.kind,
        "from": entry.from_,
        "to": entry.to,
        "points": entry.points,
        "currency": entry.currency,
        "lot": entry.lot,
        "origin": entry.origin,
        "doc": entry.document,
        "line": entry.line,
        "at": iso(entry.at),
    }


def _lot(lot: Lot) -> dict[str, Any]:
    figures = ("credited", "spent", "expired", "reversed", "repaid", "absorbed", "remaining")
    return {
        "id": lot.id,
        **{name: getattr(lot, name) for name in figures},
        "currency": lot.currency,
        "class": lot.class_,
        "origin": lot.origin,
        "active_from": iso(lot.active_from),
        "expires_at": None if lot.expires_at is None else iso(lot.expires_at),
    }


def _at(got: Mapping[str, Any], path: list[str]) -> Any:
    """Follow a published path within results, accounts, responses or lots by id."""
    if path[0] == "responses":
        index, name = path[1], path[2]
        response = got["responses"][int(index)]
        return response[("id", "status", "code").index(name)]
    value: Any = got
    if path[0] == "lots":
        lots = (lot for account in got["accounts"].values() for lot in account["lots"])
        value = {"lots": {lot["id"]: lot for lot in lots}}
    for step in path:
        if isinstance(value, Mapping):
            value = value.get(step, "(absent)")
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return "(absent)"
    return value
