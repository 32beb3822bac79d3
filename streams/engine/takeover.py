"""
How a worker comes by partitions: their last owner is fenced, and where it got to is known.

Whoever was thrown out of the group commits nothing more: each transaction carries offsets,
and the broker refuses those of an older generation.  What such an owner had sent before is
decided or pending, and the broker names no position while one is pending.  So the position
read here is final.

An owner that died may have left a transaction open, which holds up every reader behind it
until the broker gives it up.  Each commit carries a note of its writer, by which its
transaction can be ended at once.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from streams.engine.cluster import Cluster, Committed, Place
from streams.engine.failure import RefusedError, log


class Note(Struct, frozen=True):
    """Who wrote a transaction; kept with the offsets that it committed."""

    writer: str
    """Its transactional id."""
    member: str
    """Its id in the group, anew with each start."""
    instance: str | None = None
    """Its name in the group, the same after a restart."""
    logs: tuple[tuple[str, str], ...] = ()
    """The identity of the changelog of each table, in the order of the tables."""

    def text(self) -> str:
        """Write it as offsets keep it."""
        return msgspec.json.encode(self).decode()


def note_from(text: str | None) -> Note | None:
    """Read a note; None if there is none, or nothing that we wrote."""
    try:
        return msgspec.json.decode(text or "", type=Note)
    except msgspec.MsgspecError:
        return None


def take_over(
    cluster: Cluster,
    places: Sequence[Place],
    *,
    writer: str,
    logs: Mapping[str, str],
) -> dict[Place, int]:
    """
    Fence owners of *places* that are gone, and give the next offset to read of each.

    Args:
        cluster: Where they are.
        places: Source partitions that the group has given us.
        writer: Our own transactional id, fenced already.
        logs: The identity of the changelog of each table.

    Raises:
        RefusedError: If a committed offset lies outside its log, or a changelog isn't the one
            that it was committed with.
        UnavailableError: If the cluster doesn't answer in time, or we are stopping.
    """
    for note in _gone(cluster, places, writer):
        log.info("a writer that left the group is fenced", writer=note.writer)
        cluster.fence(note.writer)
    committed = cluster.committed(places, settled=True)
    _hold_logs(committed, logs)
    return _checked(cluster, committed)


def _gone(cluster: Cluster, places: Sequence[Place], writer: str) -> list[Note]:
    """
    Find the last writers of *places* that have left the group.

    A writer makes its transactional id its own only after the group has given it
    partitions, and no rebalance ends while we are opening: so nobody who isn't a
    member now can be at work under the id of one who left.
    """
    # Pending offsets don't matter for the name, and waiting for them is what this spares.
    committed = cluster.committed(places, settled=False)
    notes = {note_from(each.note) for each in committed.values()}
    strangers = {note for note in notes if note is not None and note.writer != writer}
    if not strangers:
        return []
    members = cluster.members()
    gone = [
        note
        for note in strangers
        if note.member not in members.ids and note.instance not in members.instances
    ]
    return sorted(gone, key=lambda note: note.writer)


def _hold_logs(committed: Mapping[Place, Committed], logs: Mapping[str, str]) -> None:
    """Refuse changelogs that were made anew: without the local state they'd pass as empty."""
    for (topic, partition), found in committed.items():
        note = note_from(found.note)
        for table, known in () if note is None else note.logs:
            if logs.get(table, known) != known:
                raise RefusedError(
                    f"the changelog of {table} was deleted and created anew since {topic}"
                    f"[{partition}] was read up to offset {found.offset}: find its records, or "
                    "delete the group's offsets and the state if they are truly meant to be gone"
                )


def _checked(cluster: Cluster, committed: Mapping[Place, Committed]) -> dict[Place, int]:
    """Hold positions against the logs; where nothing is committed begin at the start."""
    starts, ends = cluster.starts(committed), cluster.ends(committed)
    positions = {}
    for place, found in committed.items():
        if found.offset < 0:
            positions[place] = starts[place]
            continue
        if not starts[place] <= found.offset <= ends[place]:
            topic, partition = place
            raise RefusedError(
                f"{topic}[{partition}] was read up to offset {found.offset}, and now begins at "
                f"{starts[place]} and ends at {ends[place]}: records that were never read are "
                "gone, or the topic was recreated; find them, or set the offset of the group to "
                "where it is right to go on"
            )
        positions[place] = found.offset
    return positions
