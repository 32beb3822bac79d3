"""Settle, members: what the CRM says of a member, and whose an identifier is."""

from typing import Any

from msgspec.structs import replace

from streams.agents.desk import Case, Command, Desk, Handlers
from streams.agents.merging import Merging
from streams.core.ids import derived
from streams.core.ownership import Ownership, claim, give_up
from streams.core.result import refused
from streams.tables import OWNERS
from streams.wire import messages
from streams.wire.envelopes import Message


class Members:
    """The handlers of member events."""

    def __init__(self, desk: Desk, merging: Merging) -> None:
        self._desk = desk
        self._merging = merging
        self.handlers: Handlers = {
            messages.MemberFacts: self._facts,
            messages.Claim: self._claim,
            messages.GiveUp: self._give_up,
            messages.TierGrant: self._tier,
            messages.Offer: self._offer,
        }

    def _facts(self, case: Case) -> None:
        facts = case.command.body
        assert isinstance(facts, messages.MemberFacts)
        before = self._desk.open(case)
        if before is None or before.status in {"closed", "erased"}:
            return
        attributes = {**before.attributes, **(facts.attributes or {})}
        if facts.segments is not None:
            attributes["segments"] = facts.segments
        born = before.born if facts.born is None else facts.born
        if before.born is not None and born is not None and _same_day(born, before.born):
            # The same date told again has been known since it was first told.
            born = before.born
        after = replace(before, born=born, attributes=attributes)
        if after != before or self._desk.accounts.get(case.key) is None:
            self._desk.keep(case, after)

    def _claim(self, case: Case) -> None:
        wanted = case.command.body
        assert isinstance(wanted, messages.Claim)
        before = OWNERS.get(case.batch, wanted.digest) or Ownership(wanted.digest)
        at = case.command.at
        claimed = claim(before, account=wanted.account, person=wanted.person, at=at)
        if claimed.code is not None:
            result = refused(case.command.id, claimed.code, kind="claim", account=wanted.account)
            self._desk.answer(case, result)
            return
        if claimed.ownership != before:
            OWNERS.put(case.batch, wanted.digest, claimed.ownership)
            self._desk.out.resolution(case.batch, claimed.ownership)
            self._answer(case, wanted, first=claimed.first)
        if claimed.first:
            self._merging.merge_into(case, wanted.account)

    def _answer(self, case: Case, wanted: messages.Claim, *, first: bool) -> None:
        """Tell the account that a digest names it now."""
        command = case.command
        name = derived("C", command.id, "granted")
        granted = messages.ClaimAnswer(wanted.digest, command.id, first=first)
        answer: Command = Message(name, command.at, granted, case.source)
        self._desk.out.command(case.batch, wanted.account, answer)

    def _give_up(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.GiveUp)
        before = OWNERS.get(case.batch, body.digest) or Ownership(body.digest)
        after = give_up(before, account=body.account, at=case.command.at)
        if after != before:
            OWNERS.put(case.batch, body.digest, after)
            self._desk.out.resolution(case.batch, after)

    def _tier(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.TierGrant)
        account = self._desk.open(case)
        if account is not None:
            self._desk.keep(case, replace(account, tier_floor=body.floor))

    def _offer(self, case: Case) -> None:
        body = case.command.body
        assert isinstance(body, messages.Offer)
        account = self._desk.open(case)
        if account is not None and body.campaign not in account.offers:
            self._desk.keep(case, replace(account, offers=(*account.offers, body.campaign)))


def _same_day(one: Any, other: Any) -> bool:
    return (one.month, one.day) == (other.month, other.day)
