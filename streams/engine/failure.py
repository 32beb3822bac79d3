"""
How an engine fails: at once, without acknowledging, and saying where.

Nothing here logs a key, a value or the text of an exception: they may hold
personal data.  A failure names the place in the log and the place in the code.
"""

import os
import sys
import traceback
from typing import NoReturn

import structlog

STOPPED = 0
"""Exit code: told to end, and every round that was begun is decided."""

UNACKNOWLEDGED = 70
"""Exit code: the records in hand were not acknowledged and will come again."""

REFUSED = 78
"""Exit code: the worker can't start like this; a restart alone won't help."""

log = structlog.get_logger("streams.engine")


class RefusedError(Exception):
    """The engine must not run: what is wrong needs an operator."""


class AbortedError(Exception):
    """The transaction failed and is aborted; the same records may be tried again."""


class LostPartitionError(Exception):
    """Another worker owns the partition now; the transaction is aborted."""


class FatalLogError(Exception):
    """The writer can't go on: it was fenced, or the broker refuses it for good."""


class UnavailableError(Exception):
    """The cluster didn't answer in time."""


class StateDamagedError(BaseException):
    """
    The local state can't be read or written.

    It isn't an Exception, so that a handler that turns data errors into dead
    letters doesn't mistake a damaged disk for one.
    """


def exit_unacknowledged(reason: str, **fields: object) -> NoReturn:
    """
    End the process now, with nothing committed that isn't committed already.

    It skips every cleanup on purpose: no cleanup may acknowledge anything.
    """
    log.critical("exit unacknowledged", reason=reason, exit_code=UNACKNOWLEDGED, **fields)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(UNACKNOWLEDGED)


def exit_stopped(reason: str, **fields: object) -> NoReturn:
    """End the process now as one that was told to end; nothing that it did is undecided."""
    log.warning("stopped", reason=reason, exit_code=STOPPED, **fields)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)


def exit_refused(reason: str, **fields: object) -> NoReturn:
    """End the process now because it must not go on until an operator has looked."""
    log.critical("exit refused", reason=reason, exit_code=REFUSED, **fields)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(REFUSED)


def place_of(error: BaseException) -> str:
    """Say where *error* was raised and its type, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno} {frames[-1].name}" if frames else ""
    return type(error).__name__ + where
