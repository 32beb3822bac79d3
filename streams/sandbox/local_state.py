"""
The last check of a demo: is what the workers kept on disk what their changelogs say?

It runs when the workers have ended, opens their databases read-only, and folds each
changelog anew, committed records only.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rocksdict import AccessType, Options, Rdict

from streams.engine import AppDeclaration, changelog_topic
from streams.reading.checks import Check, checked
from streams.reading.log import LogReader

# Under names that start with NUL stands what the engine knows of a database itself.
OWN = b"\0"
OWNER = b"\0owner"
# Every database of RocksDB has a file of this name.
SIGN = "CURRENT"

Rows = dict[bytes, bytes]


def local_state_is_changelog(
    client: Mapping[str, str], data_dir: Path, apps: tuple[AppDeclaration, ...]
) -> Check:
    """
    Compare every table of *apps* with its changelog, partition by partition.

    Args:
        client: librdkafka's connection settings.
        data_dir: Holds the databases of all workers, somewhere below; nobody else uses them.
        apps: What ran.

    Raises:
        LogError: If a changelog cannot be read.
    """
    found = {owner: path for path in _databases(data_dir) if (owner := _owner(path)) is not None}
    problems: list[str] = []
    rows = shards = 0
    with LogReader(client) as log:
        for app in apps:
            for stage in app.stages:
                for partition in range(log.partitions(stage.sources[0])):
                    if not stage.tables:
                        continue
                    name = f"{app.app_id}/{stage.name}/{partition}"
                    kept = _tables(found[name]) if name in found else {}
                    shards += 1
                    for table in stage.tables:
                        topic = changelog_topic(app.app_id, stage.name, table)
                        logged = _fold(log, topic, partition)
                        here = kept.get(table, {})
                        rows += len(here)
                        problems += _differences(f"{name} {table}", here, logged)
    return checked(
        "local state is the fold of its changelogs", {"shards": shards, "rows": rows}, problems
    )


def _databases(data_dir: Path) -> Iterator[Path]:
    """Find the databases; one that a worker has set aside serves nobody any more."""
    for sign in sorted(data_dir.rglob(SIGN)):
        if ".aside" not in sign.parent.name:
            yield sign.parent


def _open(path: Path) -> Rdict:
    return Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())


def _owner(path: Path) -> str | None:
    """Name the shard whose state *path* is, as `<app>/<stage>/<partition>`; None if of none."""
    database = _open(path)
    try:
        owner = database.get(OWNER)
    finally:
        database.close()
    return owner.decode() if isinstance(owner, bytes) else None


def _tables(path: Path) -> dict[str, Rows]:
    """Read all rows of a shard by table."""
    tables: dict[str, Rows] = {}
    database = _open(path)
    try:
        for key, value in database.items():
            # In raw mode keys and values are bytes, and nothing else.
            assert isinstance(key, bytes)
            assert isinstance(value, bytes)
            if not key.startswith(OWN):
                table, _, row = key.partition(b"\0")
                tables.setdefault(table.decode(), {})[row] = value
    finally:
        database.close()
    return tables


def _fold(log: LogReader, topic: str, partition: int) -> Rows:
    rows: Rows = {}
    for logged in log.to_end([topic], partitions={partition}):
        assert logged.key is not None
        if logged.value is None:
            rows.pop(logged.key, None)
        else:
            rows[logged.key] = logged.value
    return rows


def _differences(place: str, here: Rows, logged: Rows) -> Iterator[str]:
    for key in sorted(here.keys() | logged.keys()):
        mine, theirs = here.get(key), logged.get(key)
        if mine != theirs:
            what = "missing on disk" if mine is None else "not in the changelog"
            if mine is not None and theirs is not None:
                what = "not what the changelog says"
            yield f"{place} {key.decode(errors='replace')}: {what}"
