"""The apps: which stages make a process, with which tables and references.

An app is one consumer group and one kind of process.  Apps share nothing but topics, so
that each can be down, slow or scaled without the others.
"""

from collections.abc import Callable

from schemas.codec import Codec, committed
from streams.agents import intake, marketing, route, settle
from streams.agents.outbox import Outbox
from streams.agents.terms import Terms, references
from streams.engine import AppDeclaration, EngineSettings, Stage, TopicNeed, topics_needed
from streams.identifiers import Digester
from streams.settings import Settings
from streams.topics import MESSAGE_BYTES_MAX, Names, Topic, plan


def _intake(settings: Settings, codec: Codec) -> AppDeclaration:
    names = Names(settings.tenant)
    terms = Terms(codec, settings.programme)
    digester = Digester(settings.identifier_key.get_secret_value().encode(), settings.region)
    taking = Stage(
        "intake",
        (names.receipts, names.members),
        intake.IntakeStage(Outbox("intake", names, codec), digester, terms),
        references=intake.REFERENCES,
    )
    routing = Stage(
        "route",
        (names.routes,),
        route.RouteStage(Outbox("route", names, codec), terms),
        tables=route.TABLES,
        references=route.REFERENCES,
    )
    return _declare("intake", settings, codec, (taking, routing))


def _settle(settings: Settings, codec: Codec) -> AppDeclaration:
    names = Names(settings.tenant)
    terms = Terms(codec, settings.programme)
    settling = Stage(
        "settle",
        (names.commands,),
        settle.SettleStage(Outbox("settle", names, codec), terms),
        tables=settle.TABLES,
        references=settle.REFERENCES,
    )
    return _declare("settle", settings, codec, (settling,))


def _marketing(settings: Settings, codec: Codec) -> AppDeclaration:
    names = Names(settings.tenant)
    telling = Stage(
        "marketing",
        (names.bonuses, names.accounts),
        marketing.MarketingStage(Outbox("marketing", names, codec)),
        tables=marketing.TABLES,
    )
    return _declare("marketing", settings, codec, (telling,))


_BUILDERS: dict[str, Callable[[Settings, Codec], AppDeclaration]] = {
    "intake": _intake,
    "settle": _settle,
    "marketing": _marketing,
}
APPS = tuple(_BUILDERS)


def app_of(name: str, settings: Settings, codec: Codec | None = None) -> AppDeclaration:
    """
    Declare the app *name*.

    Raises:
        KeyError: If there is no such app; `APPS` lists them.
    """
    return _BUILDERS[name](settings, codec or committed())


def engine_settings(name: str, settings: Settings) -> EngineSettings:
    """Say where the app *name* runs; each app has a folder of its own."""
    client: dict[str, str | int | float | bool] = dict(settings.client())
    client.pop("bootstrap.servers")
    # The topics take records of this size; librdkafka alone would refuse them at a million
    # bytes, and a receipt just under the broker's limit would stop the worker for good.
    client["message.max.bytes"] = MESSAGE_BYTES_MAX
    return EngineSettings(
        brokers=settings.brokers,
        data_dir=settings.data_dir / name,
        health_port=settings.port,
        instance_id=settings.instance,
        # A transaction costs the broker about 2 ms of CPU however little is in it.  At a few
        # hundred receipts a second this halves their number; an idle shard doesn't wait.
        min_interval_ms=40.0,
        client=client,
    )


def full_plan(settings: Settings) -> tuple[Topic, ...]:
    """List every topic of the tenant, the engine's changelogs included."""
    planned = plan(settings.tenant, partitions=settings.partitions)
    partitions = {topic.name: topic.partitions for topic in planned}
    needs: list[TopicNeed] = []
    for name in APPS:
        app = app_of(name, settings)
        needs += topics_needed(app.app_id, app.stages, partitions)
    changelogs = tuple(
        Topic(
            need.name,
            need.partitions,
            {**need.config, "max.message.bytes": str(MESSAGE_BYTES_MAX)},
            key="as the stage's table",
            about="State of a stage; written and read by the engine alone",
        )
        for need in needs
    )
    return (*planned, *changelogs)


def _declare(
    name: str, settings: Settings, codec: Codec, stages: tuple[Stage, ...]
) -> AppDeclaration:
    names = Names(settings.tenant)
    read = {reference for stage in stages for reference in stage.references}
    known = tuple(each for each in references(names, codec) if each.name in read)
    return AppDeclaration(f"{settings.tenant}-{name}", stages, known)
