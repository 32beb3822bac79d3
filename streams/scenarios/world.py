"""
The shop of a scenario: what the stages keep in tables and topics, kept in memory.

A till's document takes the way of the service: through the wire, where it loses what
names a person, along the registry of receipt ids, to the account that it concerns.
Every decision on that way is a function of the core.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from schemas.codec import Codec, committed
from streams.core.account import Account, Born, TierFloor
from streams.core.accrual import Accrual, Facts, LineNet, Room
from streams.core.adjustments import Adjustment
from streams.core.basket import Basket, Member, MemberLot
from streams.core.campaigns import Campaign
from streams.core.conditions import Birth, birthday_year
from streams.core.digest import receipt_digest
from streams.core.earning import campaign_rules, member_limits
from streams.core.history import History
from streams.core.ids import result_id
from streams.core.limits import headroom
from streams.core.lots import FOREVER, end_of, spending_condition
from streams.core.matching import CampaignIndex, Left, member_attributes
from streams.core.ownership import Interval, Ownership, claim, give_up, home, is_home, owner_at
from streams.core.programme import Programme, policy_of
from streams.core.quote import Case, see
from streams.core.receipt import Attribute, EpochMs, Identifier, Points, SaleLine
from streams.core.redemption import attributes_of
from streams.core.refusals import form_refusal
from streams.core.result import Result, conflict, deferred, refused, result_from
from streams.core.returns import originals_of
from streams.core.routing import (
    Answer,
    Ended,
    Output,
    Park,
    Part,
    Route,
    Step,
    Visit,
    arrive,
    end,
    give_up_waiting,
    visit,
)
from streams.core.settlement import refused_record, settle_receipt
from streams.core.status import StatusChange
from streams.core.tiers import tier_at
from streams.identifiers import Digester
from streams.wire.errors import MalformedError
from streams.wire.receipts import receipt_bytes, receipt_from

# A scenario's identifiers need no secret: it is a story.
DIGESTER = Digester(b"scenario", "DE")


class Answered(Struct, frozen=True):
    """
    A result, and the account as it was before it.

    Attributes:
        document: What the till calls it: of a part, the whole document.
    """

    document: str
    result: Result


class World:
    """
    The state of one scenario.

    Attributes:
        history: Accounts, settled receipts and results.
        answers: Every result so far, in order, repetitions included.
        routes: The registry of receipt ids.
        owners: Of identifiers, by digest.
    """

    def __init__(
        self,
        programme: Programme,
        campaigns: Iterable[Campaign],
        products: Mapping[str, Mapping[str, Any]],
        stores: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.programme = programme
        self.policy = policy_of(programme)
        self.products = products
        self.stores = stores
        self.campaigns: list[Campaign] = []
        self.history = History(self.policy, self._rules, describe=self._describe)
        self.publish(campaigns)
        self.answers: list[Answered] = []
        self.routes: dict[str, Route] = {}
        self.owners: dict[str, Ownership] = {}
        self._codec = _codec()

    # --- What is published ----------------------------------------------------------

    def publish(self, campaigns: Iterable[Campaign]) -> None:
        """Add campaign versions to those that are out."""
        self.campaigns += campaigns
        self.index = CampaignIndex(self.programme, self.campaigns)
        self.history.budgets = {
            each.campaign: each.limits.campaign_amount
            for each in self.campaigns
            if each.limits.campaign_amount is not None
        }

    def product(self, sku: str) -> Mapping[str, Any]:
        """Give a product's attributes, without its price; none where it is unknown."""
        return {k: v for k, v in self.products.get(sku, {}).items() if k != "price"}

    def store(self, name: str) -> Mapping[str, Any]:
        """Give a store's attributes, its own name among them."""
        return {"store": name, **self.stores.get(name, {})}

    def _rules(
        self, facts: Facts, lines: Sequence[LineNet], at: EpochMs, room: Room
    ) -> tuple[Accrual, ...]:
        rules = campaign_rules(self.programme, self.index, self.product, self.store(facts.store))
        return rules(facts, lines, at, room)

    def _describe(self, line: SaleLine) -> Mapping[str, Any]:
        return {**self.product(line.sku), **attributes_of(line)}

    # --- Documents of tills ---------------------------------------------------------

    def receive(self, plain: Mapping[str, Any], accepted_at: EpochMs, held_at: int | None) -> None:
        """Take a till's document, given as the fields of the Avro record."""
        data = receipt_bytes(self._codec, plain)
        try:
            receipt = receipt_from(self._codec, data, accepted_at=accepted_at, digester=DIGESTER)
        except MalformedError:
            document = str(plain["id"])
            result = Result(result_id(document, 1), document, "receipt", "refused", "MALFORMED")
            self._answer(document, result)
            return
        if held_at is not None:
            receipt = replace(receipt, held_at=held_at)
        code = form_refusal(receipt, self.policy)
        step = arrive(
            self.routes.get(receipt.id, Route()),
            receipt,
            digest=receipt_digest(receipt),
            code=code,
            resolve=self._resolve,
        )
        self._apply(receipt.id, step)

    def _resolve(self, digest: str, at: EpochMs) -> Interval | None:
        return owner_at(self.owners.get(digest), at)

    def _apply(self, name: str, step: Step) -> None:
        self.routes[name] = step.route
        for output in step.outputs:
            self._follow(output)

    def _follow(self, output: Output) -> None:
        match output:
            case Part():
                self._settle(output)
            case Visit(originals=originals):
                row = self.routes.get(originals[0], Route())
                onward = visit(row, output, park_days=self.policy.park_days)
                self._apply(originals[0], onward)
            case Ended(document=document, code=code):
                self._apply(document, end(self.routes.get(document, Route()), code=code))
            case Answer(receipt=receipt):
                self._answer(receipt.id, _result(output))
            case Park():
                pass  # Time is looked at when it passes.

    def _settle(self, part: Part) -> None:
        receipt, keyed = part.receipt, part.owner.account
        known = self.history.settled.get(receipt.id)
        if known is not None:
            self._answer(part.document, result_from(known.result))
            return
        account = None if keyed is None else self._account(keyed)
        wanted = originals_of(receipt, account, self.policy)
        settled = self.history.settled
        settlement = settle_receipt(
            account,
            receipt,
            policy=self.policy,
            rules=self._rules,
            originals={each: settled[each] for each in wanted if each in settled},
            budget_left=self._left,
            describe=self._describe,
            origin=keyed,
            person=part.owner.person,
            digest=part.digest,
            flags=("IDENTITY_MISMATCH",) if part.owner.mismatch else (),
        )
        result, records = settlement.result, settlement.settled
        if result.status == "deferred":
            # The original is routed and was refused by its account: it will never settle.
            result = refused(receipt.id, "ORIGINAL_UNKNOWN", account=keyed)
            records = (refused_record(receipt, result, part.digest),)
        settled.update((each.id, each) for each in records)
        if settlement.account is not None and result.status == "ok":
            self.history.accounts[settlement.account.id] = settlement.account
        for budget, points in settlement.budgets:
            self.history.taken[budget] = self.history.taken.get(budget, 0) + points
        self.history.results[receipt.id] = result
        self._answer(part.document, result)

    def _left(self, budget: str) -> Points | None:
        total = self.history.budgets.get(budget)
        return None if total is None else total - self.history.taken.get(budget, 0)

    def _answer(self, document: str, result: Result) -> None:
        self.answers.append(Answered(document, result))

    # --- Documents of the office ------------------------------------------------------

    def adjust(self, adjustment: Adjustment) -> None:
        """Give or take points by hand."""
        self._account(adjustment.account)
        self.history.adjust(adjustment)
        self._answered(adjustment.id)

    def set_status(self, change: StatusChange) -> None:
        """Open, block, close or erase an account."""
        self.history.set_status(change)
        self._answered(change.id)

    def merge(self, document: str, giver: str, into: str, at: EpochMs) -> None:
        """Merge one account into another."""
        self._account(giver)
        self.history.merge(document, giver, into, at)
        self._answered(document)

    def unmerge(self, document: str, giver: str, at: EpochMs) -> None:
        """Undo a merge."""
        self.history.unmerge(document, giver, at)
        self._answered(document)

    def _answered(self, document: str) -> None:
        self._answer(document, self.history.results[document])

    def time_passes(self, at: EpochMs) -> None:
        """Let the clock tick for every account and for all that waits."""
        for account in list(self.history.accounts):
            before = len(self.history.tick_results)
            self.history.tick(account, at)
            for result in self.history.tick_results[before:]:
                self._answer(result.document, result)
        for name, route in list(self.routes.items()):
            if route.waiting:
                self._apply(name, give_up_waiting(route, at=at, park_days=self.policy.park_days))

    # --- Members ----------------------------------------------------------------------

    def register(
        self,
        document: str,
        account: str,
        identifiers: Iterable[Identifier],
        at: EpochMs,
        *,
        person: str | None = None,
        replaced: Iterable[Identifier] = (),
    ) -> None:
        """Make *account* the owner of identifiers; it takes over what they earned before."""
        self._account(account)
        for gone in replaced:
            owned = self.owners.get(gone.digest, Ownership(gone.digest))
            self.owners[gone.digest] = give_up(owned, account=account, at=at)
        for place, wanted in enumerate(identifiers):
            before = self.owners.get(wanted.digest, Ownership(wanted.digest))
            claimed = claim(before, account=account, person=person, at=at)
            if claimed.code is not None:
                result = refused(document, claimed.code, kind="claim", account=account)
                self._answer(document, result)
                continue
            self.owners[wanted.digest] = claimed.ownership
            if claimed.first:
                self._take_over(f"{document} claim {place}", home(wanted.digest), account, at)

    def _take_over(self, document: str, giver: str, account: str, at: EpochMs) -> None:
        """Move what a home account holds to its member; the home account becomes a pointer."""
        held = self._account(giver)
        if held.version:
            self.history.merge(document, giver, account, at)
            self._answered(document)
        else:
            self.history.accounts[giver] = replace(held, merged_into=account)

    def tell(
        self,
        account: str,
        *,
        born: Born | None = None,
        attributes: Mapping[str, Attribute] | None = None,
    ) -> None:
        """Note what the CRM knows of a member."""
        before = self._account(account)
        self.history.accounts[before.id] = replace(
            before,
            born=born or before.born,
            attributes={**before.attributes, **(attributes or {})},
        )

    def offer(self, account: str, campaign: str) -> None:
        """Issue a personal offer."""
        before = self._account(account)
        self.history.accounts[before.id] = replace(before, offers=(*before.offers, campaign))

    def grant_tier(self, account: str, floor: TierFloor) -> None:
        """Give a tier by hand, until an instant."""
        before = self._account(account)
        self.history.accounts[before.id] = replace(before, tier_floor=floor)

    def account(self, name: str) -> Account:
        """Give the account that holds the points of *name*."""
        return self.history.account(name)

    def _account(self, name: str) -> Account:
        """Give an account, kept from now on; nobody has registered a home account yet."""
        accounts = self.history.accounts
        if name not in accounts:
            accounts[name] = Account(name, status="provisional" if is_home(name) else "open")
        return self.history.account(name)

    # --- Quotes -----------------------------------------------------------------------

    def see(self, basket: Basket, account: str | None) -> Case:
        """See a basket as the front does, with the member as the ledger knows them."""
        member = None if account is None else self._member(account, basket.at)
        return see(self.programme, self.index, member, basket)

    def _member(self, name: str, at: EpochMs) -> Member:
        account = self.account(name)
        tier = tier_at(account, at, self.policy)
        debts = (each.points for each in account.debts if each.currency == self.policy.currency)
        born = account.born
        return Member(
            account.id,
            account.version,
            {**account.attributes, **({} if tier is None else {"tier": tier})},
            frozenset(account.offers),
            account.purchases,
            None if born is None else (born.month, born.day),
            None if born is None else born.known_at,
            sum(debts),
            {each.campaign: self._counted(each, account, at) for each in self.index.live(at)},
            tuple(_usable(account)),
        )

    def _counted(self, campaign: Campaign, account: Account, at: EpochMs) -> Left:
        """Give what the counters leave of a campaign."""
        key = self._birthday(campaign, account, at)
        left = headroom(
            account.counters,
            campaign.campaign,
            member_limits(campaign, key),
            at,
            zone=self.policy.zone,
            birthday_key=key,
        )
        amounts = [
            each for each in (left.points, self._left(campaign.campaign)) if each is not None
        ]
        return Left(left.uses, min(amounts, default=None))

    def _birthday(self, campaign: Campaign, account: Account, at: EpochMs) -> int | None:
        window, born = campaign.birthday, account.born
        if window is None or born is None:
            return None
        known = member_attributes(
            {},
            at=at,
            zone=self.programme.zoneinfo,
            born=(born.month, born.day),
            born_known_at=born.known_at,
        )["birthday"]
        assert isinstance(known, Birth)
        return birthday_year(window, known)


@cache
def _codec() -> Codec:
    """Compile the codec once; every scenario's till speaks it."""
    return committed()


def _usable(account: Account) -> Iterable[MemberLot]:
    if account.status in ("blocked", "provisional"):
        return
    for lot in account.lots:
        if lot.remaining and not lot.held:
            end_at = end_of(lot)
            yield MemberLot(
                lot.id,
                lot.remaining,
                lot.class_,
                lot.currency,
                lot.active_from,
                None if end_at >= FOREVER else end_at,
                spending_condition(lot.spendable_on),
            )


def _result(answer: Answer) -> Result:
    document = answer.receipt.id
    if answer.status == "conflict":
        return conflict(document, answer.digest or "")
    if answer.status == "deferred":
        return deferred(document, answer.code)
    return refused(document, answer.code)
