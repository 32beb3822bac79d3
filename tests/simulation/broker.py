"""
A broker in memory: logs, transactions, a group, and committed positions.

It does what the engine leans on, one atomic effect a call, and nothing sooner than a
broker may: a commit that was answered is decided, but its markers come one by one, in any
order, when the world delivers them.  Until then the records of the transaction hide
whatever stands behind them, and its positions are pending.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

Place = tuple[str, int]
Entry = tuple[bytes | None, bytes | None, "Transaction | None"]
"""Key, value and transaction of a record; a marker has no key."""


class BusyError(Exception):
    """The broker is busy with an earlier transaction: ask again."""


class FencedError(Exception):
    """The writer's epoch is over."""


class StaleMemberError(Exception):
    """The group has moved on."""


class BrokenError(AssertionError):
    """Something happened that must never happen."""


class Transaction:
    """What is to become true at once."""

    __slots__ = ("places", "positions", "verdict", "writer")

    def __init__(self, writer: str) -> None:
        self.writer = writer
        self.verdict: bool | None = None
        """True: committed, False: aborted, None: open."""
        self.places: set[Place | None] = set()
        """Logs that wait for its marker; None stands for its positions."""
        self.positions: dict[Place, tuple[int, str]] = {}


class WriterState:
    """What the broker keeps of a transactional id."""

    __slots__ = ("epoch", "transaction")

    def __init__(self) -> None:
        self.epoch = 0
        self.transaction: Transaction | None = None


class Log:
    """One partition of a topic."""

    __slots__ = ("entries", "holes", "open")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.holes: set[int] = set()
        """Offsets that compaction took from readers; the entries stay for those who judge."""
        self.open: dict[Transaction, int] = {}
        """The first offset of each transaction without a marker here."""

    @property
    def stable(self) -> int:
        """The first offset that an open transaction hides."""
        return min(self.open.values(), default=len(self.entries))

    def committed(self, start: int = 0, end: int | None = None) -> list[tuple[int, bytes, bytes]]:
        """Give (offset, key, value) of what is decided to be true, whoever can see it yet."""
        return [
            (offset, key, value)
            for offset, (key, value, transaction) in enumerate(self.entries[start:end], start)
            if key is not None and (transaction is None or transaction.verdict)
        ]


class Member:
    """A member of the group."""

    __slots__ = ("generation", "instance", "joined", "name", "partitions")

    def __init__(self, name: str, instance: str | None) -> None:
        self.name = name
        self.instance = instance
        self.joined = True
        self.generation = -1
        self.partitions: list[int] = []


class Group:
    """The consumer group, with eager rebalancing and static members."""

    def __init__(self, partitions: int) -> None:
        self.generation = 0
        self.members: dict[str, Member] = {}
        self.rebalancing = False
        self._partitions = partitions
        self._names = 0

    def join(self, name: str | None, instance: str | None) -> str:
        """Join, or join again after a rebalance was seen; a new process has no name yet."""
        member = self.members.get(name or "")
        if member is not None:
            if not self.rebalancing and member.generation == self.generation:
                return member.name
            member.joined = True
            return member.name
        self._names += 1
        member = Member(f"member-{self._names}", instance)
        old = next((each for each in self.members.values() if each.instance == instance), None)
        if instance is not None and old is not None:
            # A static member is replaced; in a settled group nobody else notices.
            del self.members[old.name]
            if not self.rebalancing:
                member.joined = False
                member.generation, member.partitions = old.generation, old.partitions
                self.members[member.name] = member
                return member.name
        self.members[member.name] = member
        self.rebalancing = True
        return member.name

    def settled(self, name: str) -> bool:
        """Say whether a member has its partitions."""
        member = self.members.get(name)
        return member is not None and not self.rebalancing and member.generation == self.generation

    def leave(self, name: str) -> None:
        """Leave, or be thrown out after a silence."""
        if self.members.pop(name, None) is not None:
            self.rebalancing = True

    @property
    def ready(self) -> bool:
        """Whether a rebalance can end."""
        return self.rebalancing and all(each.joined for each in self.members.values())

    def complete(self, rotation: int) -> None:
        """End a rebalance: the partitions go round the members, from *rotation* on."""
        self.generation += 1
        self.rebalancing = False
        members = list(self.members.values())
        for member in members:
            member.joined = False
            member.generation = self.generation
            member.partitions = []
        for partition in range(self._partitions if members else 0):
            members[(partition + rotation) % len(members)].partitions.append(partition)


class Broker:
    """All of it."""

    def __init__(self, topics: Iterable[str], partitions: int) -> None:
        self.logs: dict[Place, Log] = {
            (topic, partition): Log() for topic in topics for partition in range(partitions)
        }
        self.group = Group(partitions)
        self.positions: dict[Place, tuple[int, str]] = {}
        self.writers: dict[str, WriterState] = {}
        self.markers: list[tuple[Transaction, Place | None]] = []
        """What is decided and not yet written."""
        self.happened: Counter[str] = Counter()
        """How often what happened, so that a test can see that something did."""

    # --- Writers ------------------------------------------------------------------------

    def start_writer(self, writer: str) -> int:
        """Give *writer* a new epoch; what it left open is aborted first."""
        state = self.writers.setdefault(writer, WriterState())
        transaction = state.transaction
        if transaction is not None:
            if transaction.verdict is None:
                state.epoch += 1
                self.happened["abort by a successor"] += 1
                self._decide(transaction, verdict=False)
            raise BusyError
        state.epoch += 1
        return state.epoch

    def _transaction(self, writer: str, epoch: int) -> Transaction:
        state = self.writers[writer]
        if state.epoch != epoch:
            self.happened["fenced"] += 1
            raise FencedError
        if state.transaction is None:
            state.transaction = Transaction(writer)
        if state.transaction.verdict is not None:
            raise BusyError
        return state.transaction

    def produce(
        self, writer: str, epoch: int, place: Place, items: Sequence[tuple[bytes, bytes | None]]
    ) -> int:
        """Append *items* and give the offset of the last."""
        transaction = self._transaction(writer, epoch)
        log = self.logs[place]
        if place not in transaction.places:
            transaction.places.add(place)
            log.open[transaction] = len(log.entries)
        log.entries += [(key, value, transaction) for key, value in items]
        return len(log.entries) - 1

    def produce_late(
        self, writer: str, epoch: int, place: Place, items: Sequence[tuple[bytes, bytes | None]]
    ) -> None:
        """Take what was still on its way when its sender died; verified, it opens nothing."""
        state = self.writers[writer]
        transaction = state.transaction
        if state.epoch == epoch and transaction is not None and transaction.verdict is None:
            self.produce(writer, epoch, place, items)

    def acknowledge(
        self,
        writer: str,
        epoch: int,
        member: tuple[str, int] | None,
        positions: dict[Place, tuple[int, str]],
    ) -> None:
        """Add positions to the transaction, of a member in its generation."""
        transaction = self._transaction(writer, epoch)
        if member is not None:
            name, generation = member
            found = self.group.members.get(name)
            if found is None or generation != self.group.generation:
                self.happened["lost partition"] += 1
                raise StaleMemberError
        transaction.places.add(None)
        transaction.positions.update(positions)

    def end(self, writer: str, epoch: int, *, verdict: bool) -> None:
        """Decide the transaction."""
        state = self.writers[writer]
        if state.epoch != epoch:
            raise FencedError
        transaction = state.transaction
        if transaction is None:
            return
        if transaction.verdict is not None:
            if transaction.verdict != verdict:
                raise BrokenError(f"a decided transaction of {writer} was decided otherwise")
            return
        self.happened["commit" if verdict else "abort by its writer"] += 1
        self._decide(transaction, verdict=verdict)

    def expire(self, writer: str) -> None:
        """Abort what has been open for too long; its writer is fenced by that."""
        state = self.writers.get(writer)
        if (
            state is not None
            and state.transaction is not None
            and state.transaction.verdict is None
        ):
            state.epoch += 1
            self.happened["abort by its age"] += 1
            self._decide(state.transaction, verdict=False)

    def _decide(self, transaction: Transaction, *, verdict: bool) -> None:
        if verdict:
            for place, (offset, _) in transaction.positions.items():
                before = self.positions.get(place, (0, ""))[0]
                if offset < before:
                    raise BrokenError(f"{place} went back from {before} to {offset}")
                if offset > len(self.logs[place].entries):
                    raise BrokenError(f"{place} is acknowledged to {offset}, past its end")
        transaction.verdict = verdict
        if transaction.places:
            self.markers += [(transaction, place) for place in sorted(transaction.places, key=repr)]
        else:
            self.writers[transaction.writer].transaction = None

    def deliver_marker(self, which: int) -> None:
        """Write one marker."""
        transaction, place = self.markers.pop(which)
        transaction.places.discard(place)
        if place is not None:
            log = self.logs[place]
            log.entries.append((None, None, transaction))
            del log.open[transaction]
        elif transaction.verdict:
            self.positions.update(transaction.positions)
        if not transaction.places:
            self.writers[transaction.writer].transaction = None

    # --- Readers ------------------------------------------------------------------------

    def pending(self, places: Iterable[Place]) -> bool:
        """Say whether a transaction holds positions of *places* that aren't settled."""
        asked = set(places)
        return any(
            None in state.transaction.places and not asked.isdisjoint(state.transaction.positions)
            for state in self.writers.values()
            if state.transaction is not None
        )

    def fetch(
        self, place: Place, start: int, count: int
    ) -> tuple[list[tuple[int, bytes, bytes | None]], int]:
        """Read up to *count* committed records from *start*; give them and where to go on."""
        log = self.logs[place]
        found = []
        offset, stable = start, log.stable
        while offset < stable and len(found) < count:
            key, value, transaction = log.entries[offset]
            if (
                key is not None
                and (transaction is None or transaction.verdict)
                and offset not in log.holes
            ):
                found.append((offset, key, value))
            offset += 1
        return found, offset

    def compact(self, place: Place) -> None:
        """Take away what later records of the same key replace, as far as all is decided."""
        log = self.logs[place]
        seen: set[bytes] = set()
        for offset in range(log.stable - 1, -1, -1):
            key, _, transaction = log.entries[offset]
            if key in seen:
                log.holes.add(offset)
            elif key is not None and (transaction is None or transaction.verdict):
                seen.add(key)
