"""Run one app as one process: logging, the loop, and the engine until SIGTERM."""

import faulthandler
import logging
import signal
import sys
import threading

import structlog
import uvloop

from streams.app import APPS, app_of, engine_settings
from streams.clock import run_clock
from streams.engine import Engine
from streams.settings import Settings

CLOCK = "clock"


def run(name: str, settings: Settings) -> int:
    """
    Run the app *name* until it is asked to stop; give the exit code.

    Raises:
        KeyError: If there is no such app.
    """
    configure_logging(settings)
    # A library that crashes the process leaves at least the place in our code.
    faulthandler.enable()
    if name == CLOCK:
        return _run_clock(settings)
    if name not in APPS:
        raise KeyError(name)
    uvloop.install()
    return Engine(app_of(name, settings), engine_settings(name, settings)).run()


def configure_logging(settings: Settings) -> None:
    """
    Log to standard error: JSON lines in service, plain text for people.

    The libraries' own loggers are held to warnings: at their more talkative levels some of
    them log keys and values of messages.
    """
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    for library in ("aiokafka", "faust", "mode", "asyncio"):
        logging.getLogger(library).setLevel(logging.ERROR)
    renderer: structlog.typing.Processor = structlog.dev.ConsoleRenderer(colors=False)
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _run_clock(settings: Settings) -> int:
    stop = threading.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: stop.set())
    run_clock(settings.client(), settings.tenant, stop=stop)
    return 0
