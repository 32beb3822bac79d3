"""
Playing a scenario: each step becomes the document, command or basket that it tells of.

What is written by a business person is made into what tills and offices send, with the
defaults of a story: a sale arrives when it is sold, a line is one piece, a price is the
product's.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from streams.core.account import Born, TierFloor
from streams.core.accrual import LotTerms
from streams.core.adjustments import Adjustment
from streams.core.allocation import half_up
from streams.core.basket import attribute, load_basket
from streams.core.calendar import instant
from streams.core.case import Case
from streams.core.confirmation import Variance, variances
from streams.core.explanation import Explanation, explain
from streams.core.holds import OPEN_MS, Allocation, Hold, Takes
from streams.core.optimum import Solver
from streams.core.quote import Quote, finish
from streams.core.receipt import EpochMs, Identifier
from streams.core.status import StatusChange
from streams.scenarios.document import Scenario, Step
from streams.scenarios.world import DIGESTER, Answered, World

PIECE = 1_000
OPENING = "opening"
STATUSES = {"block": "blocked", "open": "open", "close": "closed", "erase": "erased"}


class StoryError(ValueError):
    """A step that tells of something that is not there; *path* says where in the step."""

    def __init__(self, path: tuple[str | int, ...], message: str) -> None:
        """Keep where and what."""
        self.path = path
        super().__init__(message)


class Quoted(Struct, frozen=True):
    """A quote with the basket that it answers."""

    case: Case
    quote: Quote
    explanation: Explanation


class Played(Struct, frozen=True):
    """
    What came of one step.

    Attributes:
        answers: Results that the step led to, those of other documents among them.
        account: Whose balance the step is about, or None.
        code: Why the front refused, where the step is the front's alone.
        variance: What a till took off and was not due, by line and campaign.
    """

    step: Step
    answers: tuple[Answered, ...] = ()
    quoted: Quoted | None = None
    account: str | None = None
    code: str | None = None
    variance: tuple[Variance, ...] = ()


class Player:
    """
    Plays the steps of one scenario in its world.

    Attributes:
        results: The bytes that each document was first answered with.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.programme = scenario.programme
        self.world = World(self.programme, scenario.campaigns, scenario.products, scenario.stores)
        self.accounts: dict[str, str] = {}
        self.identifiers: dict[str, list[tuple[str, str]]] = {}
        self.quotes: dict[str, Quoted] = {}
        self.asked: dict[str, Step] = {}
        self.sold: dict[tuple[str, int], str] = {}
        self.held: dict[str, str] = {}
        self.code: str | None = None
        for name, facts in scenario.members.items():
            self._join(name, facts, 0, f"{OPENING} {name}")

    def play(self, step: Step) -> Played:
        """
        Play one step.

        Raises:
            StoryError: If it names what the scenario does not tell of.
        """
        seen = len(self.world.answers)
        self.code = None
        due = self._due(step)
        play: Callable[[Step], str | None] = getattr(self, f"_{step.verb}")
        account = play(step)
        receipt = self.world.receipts.get(step.name)
        return Played(
            step,
            tuple(self.world.answers[seen:]),
            self.quotes.get(step.name) if step.verb == "quote" else None,
            account,
            self.code,
            () if due is None or receipt is None else variances(due, receipt),
        )

    def at(self, step: Step, key: str = "at") -> EpochMs:
        """Read a time of *step* in the programme's zone."""
        return self.instant(str(step.fields[key]))

    def instant(self, text: str) -> EpochMs:
        """Read a date or an instant, local unless it says otherwise."""
        return instant(text.replace(" ", "T"), self.programme.zone)

    def account_of(self, member: str, key: str = "member") -> str:
        """
        Give the account of a member.

        Raises:
            StoryError: If nobody of that name was registered; *key* is where the step says it.
        """
        if member not in self.accounts:
            known = ", ".join(self.accounts) or "nobody"
            raise StoryError((key,), f"no member {member}; known are {known}")
        return self.accounts[member]

    # --- Tills --------------------------------------------------------------------------

    def _sale(self, step: Step) -> str | None:
        return self._document(step)

    _return = _sale
    _exchange = _sale

    def _void(self, step: Step) -> str | None:
        return self._document(step, void_of=step.fields["of"])

    def _document(self, step: Step, void_of: str | None = None) -> str | None:
        fields = step.fields
        plain, accepted_at = self._plain(step, void_of)
        held_at = None if "hold" not in fields else self.world.held_at(fields["hold"])
        printed = fields.get("points", 0)
        self.world.receive(plain, accepted_at, held_at=held_at, printed_sum=printed)
        member = fields.get("member")
        return None if member is None else self.account_of(member)

    def _plain(self, step: Step, void_of: str | None = None) -> tuple[dict[str, Any], EpochMs]:
        """Write what the till sends, and when it arrives."""
        fields = step.fields
        sold_at = self.at(step)
        quoted = None
        if "quoted" in fields:
            quoted = self._quote_named(fields["quoted"], ("quoted",))
        lines = list(self._sold_lines(step, quoted))
        lines += self._returned_lines(step, len(lines))
        if quoted is not None:
            fields = {**self.asked[fields["quoted"]].fields, **fields}
        plain = {
            "id": step.name,
            "store": fields.get("store", "store"),
            "till": fields.get("till", "till"),
            "sold_at": sold_at,
            "lines": lines,
            "offline": fields.get("offline", False),
            "identifiers": [{"kind": kind, "value": value} for kind, value in self._shown(fields)],
            "hold_id": fields.get("hold"),
            "quote_id": None if quoted is None else quoted.quote.id,
            "codes": fields.get("codes", []),
            "gift_card": fields.get("gift_card", 0),
            "payments": [{"tender": each, "amount": 0} for each in fields.get("paid_by", [])],
            "channel": fields.get("channel", "store"),
            "void_of": void_of,
        }
        return plain, self.at(step, "arrives") if "arrives" in fields else sold_at

    def _shown(self, fields: Mapping[str, Any]) -> list[tuple[str, str]]:
        """List the identifiers that a receipt carries: those said, else the member's first."""
        if "shows" in fields:
            return list(fields["shows"].items())
        member = fields.get("member")
        if member is None:
            return []
        self.account_of(member)
        return self.identifiers[member][:1]

    def _sold_lines(self, step: Step, quoted: Quoted | None) -> Iterator[dict[str, Any]]:
        if quoted is not None and "lines" not in step.fields:
            yield from self._lines_of(quoted, step)
            return
        versions = {each.campaign: each.version for each in self.world.index.live(self.at(step))}
        for place, line in enumerate(step.fields.get("lines", ())):
            n = line.get("n", place + 1)
            quantity = quantity_of(line)
            listed = half_up(self._price(line, ("lines", place)) * quantity, PIECE)
            off = line.get("off", {})
            self.sold[step.name, n] = line["sku"]
            yield {
                "n": n,
                "sku": line["sku"],
                "qty": quantity,
                "kind": "sale",
                "list": listed,
                "amount": line.get("amount", listed - sum(off.values())),
                "discounts": [
                    {"campaign": name, "version": versions.get(name, 1), "amount": amount}
                    for name, amount in off.items()
                ],
                "redeem": list(self._redeemed(line.get("points"), ("lines", place, "points"))),
                "of": None,
            }

    def _lines_of(self, quoted: Quoted, step: Step) -> Iterator[dict[str, Any]]:
        """Print a quote, line by line, as a till does."""
        versions = dict(quoted.quote.versions)
        for own, line in zip(quoted.case.basket.lines, quoted.quote.lines, strict=True):
            self.sold[step.name, own.line] = own.sku
            yield {
                "n": own.line,
                "sku": own.sku,
                "qty": own.quantity,
                "kind": "sale",
                "list": line.list,
                "amount": line.net,
                "discounts": [
                    {"campaign": name, "version": versions[name], "amount": amount}
                    for name, amount in line.discounts.items()
                ],
                "redeem": [
                    {"points": points, "lot": lot, "currency": self.world.policy.currency}
                    for lot, points in line.redeemed.items()
                ],
                "of": None,
            }

    def _redeemed(self, given: Any, path: tuple[str | int, ...]) -> Iterator[dict[str, Any]]:
        if given is None:
            return
        if isinstance(given, int):
            given = [{"points": given}]
        for each in given:
            lot = each.get("lot")
            yield {
                "points": each["points"],
                "lot": None if lot is None else self._lot_named(lot, path),
                "currency": each.get("currency", self.world.policy.currency),
            }

    def _lot_named(self, name: str, path: tuple[str | int, ...]) -> str:
        for account in self.world.history.accounts.values():
            for lot_name, lot in lots_of(account.lots):
                if lot_name == name:
                    return str(lot.id)
        raise StoryError(path, f"no lot {name}")

    def _returned_lines(self, step: Step, sold: int) -> list[dict[str, Any]]:
        found = []
        for place, line in enumerate(step.fields.get("returns", ())):
            of = None
            sku = line.get("sku")
            if "of" in line:
                number = line.get("line", 1)
                of = {"receipt": line["of"], "line": number}
                sku = sku or self.sold.get((line["of"], number), "unknown")
            if sku is None:
                raise StoryError(("returns", place), "say which receipt it is of, or its sku")
            found.append(
                {
                    "n": line.get("n", sold + place + 1),
                    "sku": sku,
                    "qty": quantity_of(line),
                    "kind": "return",
                    "of": of,
                }
            )
        return found

    def _price(self, line: Mapping[str, Any], path: tuple[str | int, ...]) -> int:
        price = line.get("price", self.scenario.products.get(line["sku"], {}).get("price"))
        if not isinstance(price, int):
            raise StoryError(path, f"{line['sku']} has no price, here or among the products")
        return price

    # --- Quotes -------------------------------------------------------------------------

    def _quote(self, step: Step) -> str | None:
        member = step.fields.get("member")
        account = None if member is None else self.account_of(member)
        basket = str(step.fields.get("basket", step.name))
        case = self._case(step.fields, account, beside=basket)
        solver = Solver(case.problem)
        quote = finish(case, solver)
        explanation = explain(case, quote.combination, solver)
        self.world.keep_quote(case, quote)
        self.quotes[step.name] = Quoted(case, quote, explanation)
        self.asked[step.name] = step
        return account

    def _due(self, step: Step) -> Quote | None:
        """Quote what a till should have taken off, where the scenario asks for the variance."""
        if "variance" not in step.fields.get("expect", {}):
            return None
        member = step.fields.get("member")
        account = None if member is None else self.account_of(member)
        return finish(self._case(step.fields, account))

    def _case(
        self, fields: Mapping[str, Any], account: str | None, *, beside: str | None = None
    ) -> Case:
        lines = []
        for place, line in enumerate(fields["lines"]):
            plain = {
                "line": place + 1,
                "sku": line["sku"],
                "quantity": quantity_of(line),
                "price": self._price(line, ("lines", place)),
                "attributes": dict(self.world.product(line["sku"])),
            }
            lines.append({**plain, **{k: line[k] for k in ("weighed", "min_price") if k in line}})
        document = {
            "time": str(fields["at"]).replace(" ", "T"),
            "place": dict(self.world.store(fields.get("store", "store"))),
            "channel": fields.get("channel", "store"),
            "payments": fields.get("paid_by", []),
            "codes": self._coupons(fields),
            "redeem": fields.get("redeem", 0),
            "non_earning_tender": fields.get("gift_card", 0),
            "lines": lines,
        }
        basket = load_basket(document, self.programme.zoneinfo)
        return self.world.see(basket, account, beside=beside)

    def _coupons(self, fields: Mapping[str, Any]) -> dict[str, str]:
        """Name the campaign of each code; one that is nobody's stands for itself."""
        codes = fields.get("codes", [])
        at = self.instant(str(fields["at"]))
        return {code: code for code in codes} | self.world.index.presented(codes, at)

    def _hold(self, step: Step) -> str | None:
        fields, at = step.fields, self.at(step)
        found = self._quote_named(fields["quoted"], ("quoted",))
        asked = self.asked[fields["quoted"]].fields
        account = self.account_of(asked.get("member", "nobody"), "quoted")
        quote = found.quote
        hold = Hold(
            hold_id=step.name,
            account=account,
            basket_id=str(asked.get("basket", fields["quoted"])),
            held_at=at,
            snapshot_version=self.world.account(account).version,
            expires_at=at + OPEN_MS,
            alloc=tuple(
                Allocation(line.line, lot, points)
                for line in quote.lines
                for lot, points in line.redeemed.items()
            ),
            takes=tuple(Takes(name, 1, points) for name, points in sorted(quote.earn.items())),
            replaces=fields.get("replaces"),
        )
        self.code = self.world.hold(hold, at)
        self.held[step.name] = fields["quoted"]
        return account

    def _confirm(self, step: Step) -> str | None:
        """Confirm a hold for the receipt that its quote would print."""
        account = self._holder(step)
        name = self.held[step.name]
        printed = Step("sale", f"before {step.name}", {"at": step.fields["at"], "quoted": name}, 0)
        plain, accepted_at = self._plain(printed)
        receipt = self.world.read(plain, accepted_at)
        self.code = self.world.confirm(account, step.name, receipt, self.at(step))
        return account

    def _release(self, step: Step) -> str | None:
        account = self._holder(step)
        operator = step.fields.get("by_operator", False)
        self.code = self.world.release(account, step.name, self.at(step), operator=operator)
        return account

    def _holder(self, step: Step) -> str:
        if step.name not in self.held:
            known = ", ".join(self.held) or "none"
            raise StoryError((step.verb,), f"no hold {step.name}; known are {known}")
        asked = self.asked[self.held[step.name]].fields
        return self.account_of(asked["member"], step.verb)

    def _quote_named(self, name: str, path: tuple[str | int, ...]) -> Quoted:
        if name not in self.quotes:
            known = ", ".join(self.quotes) or "none"
            raise StoryError(path, f"no quote {name}; known are {known}")
        return self.quotes[name]

    # --- Members and offices ------------------------------------------------------------

    def _register(self, step: Step) -> str | None:
        at = self.at(step)
        replaced = [_identifier(*each) for each in step.fields.get("replaces", {}).items()]
        gone = list(step.fields.get("replaces", {}).items())
        name = step.name
        self.identifiers[name] = [
            each for each in self.identifiers.get(name, []) if each not in gone
        ]
        self._join(name, step.fields, at, f"register {name} {step.line}", replaced)
        return self.accounts[name]

    def _join(
        self,
        name: str,
        facts: Mapping[str, Any],
        at: EpochMs,
        document: str,
        replaced: list[Identifier] | None = None,
    ) -> None:
        account = self.accounts.setdefault(name, facts.get("household", name))
        named = [(kind, facts[kind]) for kind in ("card", "phone", "email") if kind in facts]
        known = self.identifiers.setdefault(name, [])
        if not named and not known:
            named = [("card", f"card of {name}")]
        self.identifiers[name] = [*named, *(each for each in known if each not in named)]
        self.world.tell(
            account,
            born=None if "born" not in facts else self._born(facts),
            attributes={key: attribute(value) for key, value in facts.get("is", {}).items()},
        )
        self.world.register(
            document,
            account,
            [_identifier(*each) for each in named],
            at,
            person=name if account != name else None,
            replaced=replaced or (),
        )

    def _born(self, facts: Mapping[str, Any]) -> Born:
        month, day = (int(each) for each in facts["born"].split("-")[-2:])
        known = facts.get("born_known")
        return Born(month, day, None if known is None else self.instant(str(known)))

    def _adjust(self, step: Step) -> str | None:
        fields = step.fields
        account = self.account_of(fields["member"])
        terms = msgspec.convert(fields.get("lot", {}), LotTerms)
        self.world.adjust(
            Adjustment(
                id=step.name,
                account=account,
                at=self.at(step),
                points=fields["points"],
                currency=fields.get("currency", self.world.policy.currency),
                actor=fields.get("by", "office"),
                reason=fields.get("reason", "goodwill"),
                approver=fields.get("approved_by"),
                terms=terms,
                allow_debt=fields.get("allow_debt", False),
            )
        )
        return account

    def _offer(self, step: Step) -> str | None:
        account = self.account_of(step.fields["member"])
        self.world.offer(account, step.name)
        return account

    def _grant_tier(self, step: Step) -> str | None:
        account = self.account_of(step.fields["member"])
        until = self.at(step, "until") if "until" in step.fields else 1 << 60
        self.world.grant_tier(account, TierFloor(step.name, until))
        return account

    def _merge(self, step: Step) -> str | None:
        giver = self.account_of(step.fields["from"], "from")
        into = self.account_of(step.fields["into"], "into")
        self.world.merge(step.name, giver, into, self.at(step))
        return into

    def _unmerge(self, step: Step) -> str | None:
        giver = self.account_of(step.fields["from"], "from")
        self.world.unmerge(step.name, giver, self.at(step))
        return giver

    def _status(self, step: Step) -> str | None:
        account = self.account_of(step.name, step.verb)
        change = {
            "id": f"{step.verb} {step.name} {step.line}",
            "account": account,
            "status": STATUSES[step.verb],
            "at": self.at(step),
        }
        self.world.set_status(msgspec.convert(change, StatusChange))
        return account

    _block = _status
    _open = _status
    _close = _status
    _erase = _status

    def _publish(self, step: Step) -> str | None:
        self.world.publish(step.fields["campaigns"])
        return None

    def _time_passes(self, step: Step) -> str | None:
        self.world.time_passes(self.instant(step.name))
        return None


def quantity_of(line: Mapping[str, Any]) -> int:
    """Give the thousandths of a line: its quantity, or its pieces, or one piece."""
    if "quantity" in line:
        return int(line["quantity"])
    return int(line.get("pieces", 1)) * PIECE


def _identifier(kind: str, value: str) -> Identifier:
    return DIGESTER.digest(kind, value)


def lots_of(lots: Any) -> Iterator[tuple[str, Any]]:
    """
    Name the lots of an account as scenarios do: document and campaign, `S1 base`.

    A lot that a return or an overdraft made has no campaign: `R1 again`.  Of several of
    one name the later in order of (begin, end, id) carry a number: `R1 again 2`.
    """
    seen: dict[str, int] = {}
    order = sorted(lots, key=lambda lot: (lot.active_from, lot.expires_at or 1 << 62, lot.id))
    for lot in order:
        name = f"{lot.document} {lot.rule or 'again'}"
        seen[name] = seen.get(name, 0) + 1
        yield (name if seen[name] == 1 else f"{name} {seen[name]}"), lot
