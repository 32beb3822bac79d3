"""
Bugs to plant: each is the engine with one thing done otherwise, as somebody might do it.

A simulator that doesn't find them would find nothing.
"""

from streams.engine.failure import AbortedError, LostPartitionError
from streams.engine.shard import Shard
from streams.engine.tenure import Portion, Tenure
from streams.engine.transaction import commit
from tests.simulation.worker import SimulatedCluster, SimulatedWriter
from tests.simulation.world import Variant


def _begun(log, shares):
    """Do what comes first in any order."""
    log.begin()
    for share in shares:
        for table, items in share.puts.items():
            if items:
                log.change(table, share.partition, items)
        log.emit(share.outputs)


def _applied(shares, ends):
    """Do what comes last in any order."""
    for share in shares:
        own = {table: end for (table, at), end in ends.items() if at == share.partition}
        if own:
            share.state.apply(share.puts, own)


class CommitBeforeFlush(Tenure):
    """Waits for the records only once they should be there."""

    def _transact(self, shares, position, _reach):
        log = self._writer
        _begun(log, shares)
        log.acknowledge(position)
        log.commit()
        _applied(shares, log.flush())


class StateBeforeCommit(Tenure):
    """Writes the state as soon as its changelog offsets are known."""

    def _transact(self, shares, position, _reach):
        log = self._writer
        _begun(log, shares)
        ends = log.flush()
        _applied(shares, ends)
        log.acknowledge(position)
        log.commit()


class PositionsApart(Tenure):
    """Commits what was done, and the position in a transaction of its own."""

    def _transact(self, shares, position, reach):
        commit(self._writer, shares, position={}, reach=reach)
        commit(self._writer, (), position=position, reach=reach)


class SkipInsteadOfReplay(Tenure):
    """Goes on with what comes next after an abort."""

    def _insist(self, transact, _taken):
        try:
            transact()
        except AbortedError:
            return
        except LostPartitionError:
            self.stopping.set()


class OffsetTooLow(Tenure):
    """Acknowledges the last record instead of the one after it."""

    def take(self):
        """See Tenure."""
        return [_moved(portion, -1) for portion in super().take()]


class OffsetTooHigh(Tenure):
    """Acknowledges one record more than was done."""

    def take(self):
        """See Tenure."""
        return [_moved(portion, 1) for portion in super().take()]


def _moved(portion: Portion, by: int) -> Portion:
    if not portion.records:
        return portion
    position = {topic: offset + by for topic, offset in portion.position.items()}
    return Portion(portion.shard, portion.records, position)


class StateAsFound(Tenure):
    """Trusts a state that is on the disk, and restores where there is none."""

    def restore(self, partition):
        """See Tenure."""
        shard = self.shards[partition]
        found = self._spot.state(self.stage.name, partition)
        if found.offset("seen") < 0:
            super().restore(partition)
        else:
            shard._store = found


class _GreedyShard(Shard):
    def feed(self, records):
        """See Shard."""
        self._buffer.extend(records)


class RepeatsTaken(Tenure):
    """Takes what is delivered again for something new."""

    def __init__(self, spot, stage, partitions, **rest):
        super().__init__(spot, stage, partitions, **rest)
        self.shards = {each: _GreedyShard(spot, stage, each) for each in partitions}


class _HastyShard(Shard):
    def idle_ends(self):
        """See Shard."""
        return {topic: end for topic, end in self.read_to.items() if end > self.position[topic]}


class ReadIsDone(Tenure):
    """Acknowledges how far it has read, with records still waiting."""

    def __init__(self, spot, stage, partitions, **rest):
        super().__init__(spot, stage, partitions, **rest)
        self.shards = {each: _HastyShard(spot, stage, each) for each in partitions}

    def take(self):
        """See Tenure."""
        return [
            Portion(each.shard, each.records, {**each.position, **each.shard.idle_ends()})
            for each in super().take()
        ]


class DraftOfTheAborted(Tenure):
    """Applies what an aborted transaction had put, before it tries again."""

    def _transact(self, shares, position, reach):
        try:
            super()._transact(shares, position, reach)
        except AbortedError:
            for share in shares:
                share.state._disk.tables.apply(share.puts)
            raise


class NoGeneration(SimulatedWriter):
    """Sends offsets as nobody in particular."""

    def join(self, _group, note):
        """See Writer."""
        self._member, self._note = None, note


class StableEnd(SimulatedCluster):
    """Takes the end that committed readers see for the end of the changelog."""

    def ends(self, places, **_asked):
        """See Cluster."""
        return super().ends(places, settled=True)


class PendingPositions(SimulatedCluster):
    """Takes the last position that is settled, whatever is pending."""

    def committed(self, places, **_asked):
        """See Cluster."""
        return super().committed(places, settled=False)


BUGS = {
    "commit before flush": Variant(tenure=CommitBeforeFlush),
    "state before commit": Variant(tenure=StateBeforeCommit),
    "positions in a transaction of their own": Variant(tenure=PositionsApart),
    "skip instead of replay": Variant(tenure=SkipInsteadOfReplay),
    "offset off by one, too low": Variant(tenure=OffsetTooLow),
    "offset off by one, too high": Variant(tenure=OffsetTooHigh),
    "no fencing by generation": Variant(writer=NoGeneration),
    "restore to the stable end": Variant(cluster=StableEnd),
    "positions read while some are pending": Variant(cluster=PendingPositions),
    "state trusted as found": Variant(tenure=StateAsFound),
    "repeats taken for new": Variant(tenure=RepeatsTaken),
    "read taken for done": Variant(tenure=ReadIsDone),
    "draft of an aborted transaction kept": Variant(tenure=DraftOfTheAborted),
}
