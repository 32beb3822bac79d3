"""
The shop of a scenario: what the stages keep in tables and topics, kept in memory.

A till's document takes the way of the service: through the wire, where it loses what
names a person, along the registry of receipt ids, to the account that it concerns.
Every decision on that way is a function of the core.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from schemas.codec import Codec, committed
from streams.core.account import Account, Born, TierFloor
from streams.core.accrual import Accrual, Facts, Limit, LineNet, Room, Rules
from streams.core.adjustments import Adjustment
from streams.core.basket import Basket, Member, MemberLot
from streams.core.campaigns import Campaign
from streams.core.case import Case, see
from streams.core.confirmation import (
    Quoted,
    as_quoted,
    confirmable,
    difference,
    payable,
)
from streams.core.confirmation import quoted as quoted_of
from streams.core.digest import receipt_digest
from streams.core.earning import (
    birthday_key,
    campaign_rules,
    discount_budgets,
    discount_limits,
    member_limits,
)
from streams.core.history import History
from streams.core.holds import Hold, Holds, admit, confirm, release, seen, set_aside
from streams.core.ids import result_id
from streams.core.limits import headroom
from streams.core.lots import FOREVER, end_of, spending_condition
from streams.core.matching import CampaignIndex
from streams.core.occasion import Left
from streams.core.ownership import (
    Interval,
    Ownership,
    claim,
    forget,
    give_up,
    home,
    is_home,
    owner_at,
)
from streams.core.printed_sum import lay_sum
from streams.core.programme import Programme, policy_of
from streams.core.quote import Quote
from streams.core.receipt import Attribute, EpochMs, Identifier, Points, Receipt, SaleLine
from streams.core.redemption import attributes_of
from streams.core.refusals import form_refusal, source_refusal
from streams.core.result import Result, conflict, deferred, refused, result_from
from streams.core.returns import gather
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
    look_again,
    visit,
)
from streams.core.settled import split_sale
from streams.core.settlement import Rulebook, refused_record, settle_receipt
from streams.core.snapshot import Snapshot, snapshot
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
        receipts: As the core saw them, by id.
        quotes: As receipts are compared with them, by id.
        holds: The front's, by account.
        sums: Points printed as one sum, by receipt.
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
        self.history = History(
            self.policy, self._rules, limits_of=self._limits_of, describe=self._describe
        )
        self.publish(campaigns)
        self.answers: list[Answered] = []
        self.routes: dict[str, Route] = {}
        self.owners: dict[str, Ownership] = {}
        self.receipts: dict[str, Receipt] = {}
        self.quotes: dict[str, Quoted] = {}
        self.holds: dict[str, Holds] = {}
        self.sums: dict[str, Points] = {}
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

    def _limits_of(self, name: str, facts: Facts, at: EpochMs) -> tuple[Limit, ...]:
        return discount_limits(self.programme, self.index)(name, facts, at)

    def _describe(self, line: SaleLine) -> Mapping[str, Any]:
        return {**self.product(line.sku), **attributes_of(line)}

    # --- Documents of tills ---------------------------------------------------------

    def receive(
        self,
        plain: Mapping[str, Any],
        accepted_at: EpochMs,
        *,
        held_at: int | None = None,
        printed_sum: Points = 0,
    ) -> None:
        """
        Take a till's document, given as the fields of the Avro record.

        Args:
            plain: The fields.
            accepted_at: When it arrives.
            held_at: When its hold was admitted, or None.
            printed_sum: Points that the till printed without saying on which lines.
        """
        self.sums.setdefault(str(plain["id"]), printed_sum)
        try:
            receipt = self.read(plain, accepted_at)
        except MalformedError:
            self._turn_away(str(plain["id"]), "MALFORMED")
            return
        forbidden = source_refusal(receipt, self.policy)
        if forbidden is not None:
            self._turn_away(receipt.id, forbidden)
            return
        if held_at is not None:
            receipt = replace(receipt, held_at=held_at)
        self.receipts[receipt.id] = receipt
        code = form_refusal(receipt, self.policy)
        step = arrive(
            self.routes.get(receipt.id, Route()),
            receipt,
            digest=receipt_digest(receipt),
            code=code,
            resolve=self._resolve,
            unknown=lambda: self.policy.unknown_member,
        )
        self._apply(receipt.id, step)

    def _turn_away(self, document: str, code: str) -> None:
        """Answer what intake refuses: the registry never sees it."""
        self._answer(document, Result(result_id(document, 1), document, "receipt", "refused", code))

    def read(self, plain: Mapping[str, Any], accepted_at: EpochMs) -> Receipt:
        """
        See a till's document as the core does.

        Raises:
            MalformedError: If its form is wrong.
        """
        data = receipt_bytes(self._codec, plain)
        return receipt_from(self._codec, data, accepted_at=accepted_at, digester=DIGESTER)

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
        settled = self.history.settled
        flags: tuple[str, ...] = ("IDENTITY_MISMATCH",) if part.owner.mismatch else ()
        printed = self.sums.get(receipt.id, 0)
        if printed and account is not None:
            laid = lay_sum(receipt, printed, account, self.programme, self._describe)
            receipt = laid.receipt
            flags += ("REDEEM_REFUSED",) if laid.refused else ()
        taken, originals = gather(receipt, account, self.policy, settled.get)
        settlement = settle_receipt(
            account,
            taken,
            Rulebook(
                self.policy,
                self._rules_for(receipt, account),
                budget_left=self._left,
                limits_of=self._limits_of,
                has_budget=discount_budgets(self.index),
                describe=self._describe,
            ),
            originals=originals,
            origin=keyed,
            person=part.owner.person,
            digest=part.digest,
            flags=flags,
        )
        result, records = settlement.result, settlement.settled
        if result.status == "deferred":
            # The original is routed and was refused by its account: it will never settle.
            result = refused(receipt.id, "ORIGINAL_UNKNOWN", account=keyed)
            records = (refused_record(receipt, result, part.digest),)
        for each in records:
            settled[each.id] = each
            if each.id == receipt.id != part.document and each.lines:
                settled[part.document] = split_sale(each, part.document)
        if settlement.account is not None and result.status == "ok":
            self.history.accounts[settlement.account.id] = settlement.account
            self._commit(settlement.account, receipt.sold_at)
        for budget, points in settlement.budgets:
            self.history.taken[budget] = self.history.taken.get(budget, 0) + points
        self.history.results[receipt.id] = result
        self._answer(part.document, result)

    def _rules_for(self, receipt: Receipt, account: Account | None) -> Rules:
        """Pay as quoted what equals its quote; any other stands as printed."""
        quote = self.quotes.get(receipt.quote_id or "")
        name = None if account is None else account.id
        if quote is None or difference(quote, receipt, name) is not None:
            return self._rules
        return as_quoted(quote)

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
        joined = self._account(change.account).joined
        self.history.set_status(change)
        self._answered(change.id)
        if self.history.results[change.id].status == "ok" and change.status == "erased":
            self._forget([change.account, *(name for each in joined for name in each.origins)])

    def _forget(self, accounts: Iterable[str]) -> None:
        """Delete who owned what among *accounts*."""
        for account in accounts:
            self.owners = {
                digest: after
                for digest, before in self.owners.items()
                if (after := forget(before, account=account)).intervals
            }

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
            if route.nameless is not None:
                again = look_again(
                    route, at=at, park_days=self.policy.park_days, resolve=self._resolve
                )
                self._apply(name, again)

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
        held = self.history.accounts.get(giver) or self._account(giver)
        if held.version and held.merged_into is None:
            self.history.merge(document, giver, account, at)
            self._answered(document)
        else:
            # It holds nothing, or had led to a member who was forgotten.
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

    def see(self, basket: Basket, account: str | None, *, beside: str | None = None) -> Case:
        """See a basket as the front does; *beside* names it, so that its own hold counts not."""
        member = None if account is None else self._member(account, basket.at, beside)
        return see(self.programme, self.index, member, basket)

    def keep_quote(self, case: Case, quote: Quote) -> None:
        """Remember a quote for the receipt that will name it."""
        member = case.member
        born = None if member is None else member.born
        facts = Facts(
            account=None if member is None else member.id,
            born=born,
            born_known=None if member is None else member.born_known,
        )
        self.quotes[quote.id] = quoted_of(case, quote, facts)

    def _member(self, name: str, at: EpochMs, beside: str | None) -> Member:
        account = self.account(name)
        tier = tier_at(account, at, self.policy)
        debts = (each.points for each in account.debts if each.currency == self.policy.currency)
        born = account.born
        committed = {each.hold_id for each in account.holds}
        aside, counted = set_aside(self._holds(account), committed, at, beside=beside)
        left = {
            each.campaign: self._counted(each, account, at, counted.get(each.campaign, (0, 0)))
            for each in self.index.live(at)
        }
        return Member(
            account.id,
            account.version,
            {**account.attributes, **({} if tier is None else {"tier": tier})},
            frozenset(account.offers),
            account.purchases,
            None if born is None else (born.month, born.day),
            None if born is None else born.known_at,
            sum(debts),
            left,
            tuple(_usable(account, aside)),
        )

    def _counted(
        self, campaign: Campaign, account: Account, at: EpochMs, held: tuple[int, int]
    ) -> Left:
        """Give what the counters leave of a campaign, less what other baskets hold."""
        born = account.born
        facts = Facts(
            account=account.id,
            born=None if born is None else (born.month, born.day),
            born_known=None if born is None else born.known_at,
        )
        key = birthday_key(self.programme, campaign, facts, at)
        limited = headroom(
            account.counters,
            campaign.campaign,
            member_limits(campaign, key),
            at,
            zone=self.policy.zone,
            birthday_key=key,
        )
        uses = None if limited.uses is None else max(0, limited.uses - held[0])
        points = None if limited.points is None else max(0, limited.points - held[1])
        budget = self._left(campaign.campaign)
        amounts = [max(0, each) for each in (points, budget) if each is not None]
        return Left(uses, min(amounts, default=None))

    # --- Holds ------------------------------------------------------------------------

    def hold(self, hold: Hold, at: EpochMs) -> str | None:
        """Set aside what a basket needs; give the code of a refusal, or None."""
        account = self.account(hold.account)
        decided = admit(self._holds(account), hold, self._snapshot(account), at)
        self.holds[account.id] = decided.holds
        return decided.code

    def confirm(self, account: str, hold_id: str, receipt: Receipt, at: EpochMs) -> str | None:
        """Confirm a hold just before payment of *receipt*; give the code of a refusal."""
        holder = self.account(account)
        quote = self.quotes.get(receipt.quote_id or "")
        if quote is not None:
            changed = payable(quote, receipt, holder.id, at)
            spent = confirmable(quote, self._left, self.policy)
            if changed is not None or spent is not None:
                return changed or spent
        decided = confirm(self._holds(holder), hold_id, at)
        self.holds[holder.id] = decided.holds
        return decided.code

    def release(self, account: str, hold_id: str, at: EpochMs, *, operator: bool) -> str | None:
        """Free a hold, by the till or by an operator; give the code of a refusal."""
        holder = self.account(account)
        reason: Literal["operator", "cancelled"] = "operator" if operator else "cancelled"
        decided = release(self._holds(holder), hold_id, reason, at)
        self.holds[holder.id] = decided.holds
        return decided.code

    def held_at(self, hold_id: str) -> EpochMs | None:
        """Give when a hold was admitted, or None where there is none."""
        found = (each for holds in self.holds.values() for each in holds.holds)
        return next((each.held_at for each in found if each.hold_id == hold_id), None)

    def _holds(self, account: Account) -> Holds:
        return self.holds.get(account.id, Holds(account.id))

    def _snapshot(self, account: Account) -> Snapshot:
        return snapshot(account, self.policy)

    def _commit(self, account: Account, at: EpochMs) -> None:
        """Let the front see which holds the account has committed."""
        if account.id in self.holds:
            self.holds[account.id] = seen(self.holds[account.id], self._snapshot(account), at)


@cache
def _codec() -> Codec:
    """Compile the codec once; every scenario's till speaks it."""
    return committed()


def _usable(account: Account, aside: Mapping[str, Points]) -> Iterable[MemberLot]:
    """Give an open account's lots, less what other baskets hold."""
    if account.status in ("blocked", "provisional"):
        return
    for lot in account.lots:
        points = lot.remaining - aside.get(lot.id, 0)
        if points > 0 and not lot.held:
            end_at = end_of(lot)
            yield MemberLot(
                lot.id,
                points,
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
