"""
The local state of a shard, or a copy of a reference: one RocksDB for all its tables.

Rows of a table are `<table> NUL <key>`.  Beside them, under names that start
with NUL, stand the changelog offset up to which each table is applied and the
identity of the changelog topic, so that a batch and its offsets are one write.

A compacted topic forgets deletions in time.  A database that has been away for longer could
keep what was deleted meanwhile for ever: it is set aside as a damaged one is.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from rocksdict import (
    BlockBasedIndexType,
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteBufferManager,
)

from streams.engine.batch import Pair
from streams.engine.failure import StateDamagedError, log
from streams.engine.recent import UNKNOWN, Recent
from streams.engine.stage import AWAY_S

FULL = ("No space left", "Disk quota exceeded", "File too large")
"""What a system says of a disk, a quota or a limit that is full: it has harmed nothing."""

_OFFSET = b"\0offset\0"
_TOPIC = b"\0topic\0"
_OWNER = b"\0owner"
_WRITTEN = b"\0written"

PART_BYTES = 4096
"""Of what size the parts of an index or a filter are."""

NOTE_S = 3600
"""How often a database notes when it was written."""


class Memory:
    """What all databases of a process share: read caches and memtables."""

    def __init__(
        self,
        *,
        block_cache_bytes: int,
        write_buffer_bytes: int,
        shards: int,
        recent_bytes: int = 0,
    ) -> None:
        self.cache = Cache(block_cache_bytes)
        self.write_buffers = WriteBufferManager(
            2 * write_buffer_bytes * max(shards, 1), allow_stall=False
        )
        self.write_buffer_bytes = write_buffer_bytes
        self.recent_bytes = recent_bytes // max(shards, 1)

    def options(self) -> Options:
        """Make the options of one database."""
        table = BlockBasedOptions()
        table.set_block_cache(self.cache)
        table.set_cache_index_and_filter_blocks(True)
        table.set_bloom_filter(10, False)  # noqa: FBT003
        # In parts: whole, those of a million rows don't fit into one of the pieces that the
        # cache is made of, and every look-up would read them from the disk.
        table.set_index_type(BlockBasedIndexType.two_level_index_search())
        table.set_partition_filters(True)
        table.set_metadata_block_size(PART_BYTES)
        table.set_pin_top_level_index_and_filter(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(self.write_buffer_bytes)
        options.set_write_buffer_manager(self.write_buffers)
        options.set_max_write_buffer_number(2)
        options.set_max_open_files(256)
        options.set_keep_log_file_num(2)
        options.set_max_log_file_size(1 << 20)
        options.set_max_background_jobs(2)
        # After a crash take the log up to its first damage: what is lost is
        # the newest, its offset with it, and the changelog still has it.
        return options


class ShardStore:
    """
    The tables of one shard on disk.

    Args:
        path: A folder of its own.
        owner: Who writes it, as `<app>/<stage>/<partition>`; another's is set aside.
        memory: What the databases of the process share.
        away_s: For how many seconds its topics keep deletions, less a margin.
    """

    def __init__(self, path: Path, *, owner: str, memory: Memory, away_s: float = AWAY_S) -> None:
        self.path = path
        self._owner = owner.encode()
        self._memory = memory
        self._away_s = away_s
        self._noted_at = 0.0
        self._prefixes: dict[str, bytes] = {}
        self._recent = Recent(memory.recent_bytes)
        self._db = self._open_or_replace()

    @property
    def name(self) -> str:
        """Where it is."""
        return str(self.path)

    def _open_or_replace(self) -> Rdict:
        """Open the database; one that can't be read or is another's is set aside."""
        if (self.path.parent / (self.path.name + ".damaged")).exists():
            self._set_aside("reads failed in an earlier run")
        try:
            db = self._open()
            owner, written = db.get(_OWNER), db.get(_WRITTEN)
        except Exception as error:
            if is_full(error):
                raise StateDamagedError(str(self.path)) from error
            if "lock" in str(error).split(":")[0].lower():
                raise
            self._set_aside(type(error).__name__)
            db = self._open()
            owner = written = None
        useless = self._why_useless(owner, written)
        if useless:
            db.close()
            self._set_aside(useless)
            db = self._open()
            owner = None
        if owner is None:
            db[_OWNER] = self._owner
        return db

    def _why_useless(self, owner: bytes | None, written: bytes | None) -> str:
        """Say why what a sound database holds is of no use; nothing if it is."""
        if owner is not None and owner != self._owner:
            return "it belongs to another shard"
        if written is not None and time.time() - int.from_bytes(written, "big") > self._away_s:
            return "it was away for longer than its topics keep deletions"
        return ""

    def _open(self) -> Rdict:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return Rdict(str(self.path), self._memory.options())

    def _set_aside(self, reason: str) -> None:
        """Move the folder out of the way, keep the newest such copy for a post-mortem."""
        aside = self.path.with_name(self.path.name + ".aside")
        log.warning("state set aside", path=str(self.path), to=str(aside), reason=reason)
        shutil.rmtree(aside, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.path.rename(aside)
        (self.path.parent / (self.path.name + ".damaged")).unlink(missing_ok=True)

    def start_over(self, reason: str) -> None:
        """Set the database aside and begin an empty one."""
        self.close()
        self._set_aside(reason)
        self._recent = Recent(self._memory.recent_bytes)
        self._db = self._open_or_replace()

    def _failed(self, error: Exception) -> StateDamagedError:
        """Have the next start set this database aside, unless only the disk was full."""
        if not is_full(error):
            with contextlib.suppress(OSError):
                (self.path.parent / (self.path.name + ".damaged")).touch()
        return StateDamagedError(str(self.path))

    def get(self, table: str, key: bytes) -> bytes | None:
        """See TableReader."""
        row = (self._prefixes.get(table) or self._prefix(table)) + key
        known = self._recent.get(row)
        if known is not UNKNOWN:
            return cast("bytes | None", known)
        try:
            value: bytes | None = self._db.get(row)
        except Exception as error:
            raise self._failed(error) from error
        self._recent.put(row, value)
        return value

    def _prefix(self, table: str) -> bytes:
        """Give what the rows of *table* begin with; made once, for it is asked for each record."""
        return self._prefixes.setdefault(table, table.encode() + b"\0")

    def scan(self, table: str, prefix: bytes = b"") -> Iterator[Pair]:
        """See TableReader."""
        start = self._prefix(table) + prefix
        cut = len(self._prefix(table))
        options = ReadOptions()
        try:
            rows: Iterator[Any] = self._db.items(from_key=start, read_opt=options)
            for key, value in rows:
                if not key.startswith(start):
                    return
                yield key[cut:], value
        except Exception as error:
            raise self._failed(error) from error

    def apply(
        self, puts: Mapping[str, Mapping[bytes, bytes | None]], ends: Mapping[str, int]
    ) -> None:
        """See State."""
        rows = [
            (name + key, value)
            for name, items in ((self._prefix(table), items) for table, items in puts.items())
            for key, value in items.items()
        ]
        batch = WriteBatch(raw_mode=True)
        for row, value in rows:
            if value is None:
                batch.delete(row)
            else:
                batch.put(row, value)
        for table, offset in ends.items():
            batch.put(_OFFSET + table.encode(), offset.to_bytes(8, "big"))
        self._note_time(batch)
        try:
            self._db.write(batch)
        except Exception as error:
            raise self._failed(error) from error
        self._recent.change(rows)

    def _note_time(self, batch: WriteBatch) -> None:
        """Write down now and then that the database is in use."""
        now = time.time()
        if now - self._noted_at > NOTE_S:
            self._noted_at = now
            batch.put(_WRITTEN, int(now).to_bytes(8, "big"))

    def offset(self, table: str) -> int:
        """Give the changelog offset up to which *table* is applied, -1 if nothing is."""
        raw: bytes | None = self._db.get(_OFFSET + table.encode())
        return int.from_bytes(raw, "big") if raw is not None else -1

    def topic_id(self, table: str) -> str | None:
        """Give the identity of the changelog that *table* was restored from."""
        raw: bytes | None = self._db.get(_TOPIC + table.encode())
        return raw.decode() if raw is not None else None

    def set_topic_id(self, table: str, topic_id: str) -> None:
        """Remember the identity of the changelog of *table*."""
        self._db[_TOPIC + table.encode()] = topic_id.encode()

    def close(self) -> None:
        """Let go of the folder."""
        self._db.close()


def is_full(error: Exception) -> bool:
    """Whether RocksDB could only not write, for want of room."""
    return any(each in str(error) for each in FULL)
