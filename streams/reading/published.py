"""The programmes and campaigns that have been published, version by version."""

from collections.abc import Callable

from schemas.codec import Codec
from streams.reading.log import LogReader
from streams.topics import Names
from streams.wire.references import Document, campaign_from, programme_from


def programmes(log: LogReader, codec: Codec, names: Names) -> tuple[Document, ...]:
    """
    Give every published version of every programme, in order of id and version.

    Raises:
        LogError: If the log cannot be read.
        CodecError: If a record of the topic is no programme.
    """
    return _documents(log, names.programmes, lambda data: programme_from(codec, data))


def campaigns(log: LogReader, codec: Codec, names: Names) -> tuple[Document, ...]:
    """
    Give every published version of every campaign, in order of id and version.

    Raises:
        LogError: If the log cannot be read.
        CodecError: If a record of the topic is no campaign.
    """
    return _documents(log, names.campaigns, lambda data: campaign_from(codec, data))


def newest(documents: tuple[Document, ...], at: int | None = None) -> tuple[Document, ...]:
    """
    Keep of each id the version that serves at *at*; the last to come when None.

    Of two versions valid from the same instant the higher serves.
    """
    serving: dict[str, Document] = {}
    for each in sorted(documents, key=lambda one: (one.valid_from, one.version)):
        if at is None or each.valid_from <= at:
            serving[each.id] = each
    return tuple(serving[key] for key in sorted(serving))


def _documents(
    log: LogReader, topic: str, read: Callable[[bytes], Document]
) -> tuple[Document, ...]:
    latest: dict[bytes, Document] = {}
    for logged in log.to_end([topic]):
        key = logged.key or b""
        if logged.value is None:
            latest.pop(key, None)
        else:
            latest[key] = read(logged.value)
    return tuple(sorted(latest.values(), key=lambda each: (each.id, each.version)))
