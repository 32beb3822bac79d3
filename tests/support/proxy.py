"""A network that can be broken: a TCP proxy that is the address a broker advertises."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

CHUNK = 64 << 10
AHEAD = 64
"""Chunks on their way at once; a delayed network holds no more than this."""


class Connection:
    """Two sockets and whether anything still goes from one to the other."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.writers = writers
        self.silent = False

    def cut(self) -> None:
        """Reset both ends."""
        for writer in self.writers:
            writer.transport.abort()


class Proxy:
    """
    Forwards *port* to *target* on loopback, as well or as badly as it is told.

    Its methods may be called from any thread.
    """

    def __init__(self, port: int, target: int) -> None:
        self.port, self.target = port, target
        self.delay_s = 0.0
        """How much later everything arrives, in each direction."""
        self.refusing = False
        """Whether new connections are reset at once."""
        self._connections: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ask(self._listen)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ask(self._end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> int:
        """Reset every connection; give how many there were."""
        return self._ask(self._cut)

    def silence(self) -> int:
        """
        Let every connection stand with nothing going through it any more; give how many.

        It is what a lost route leaves: neither end hears that the other is gone.  New
        connections are forwarded.
        """
        return self._ask(self._silence)

    def _ask(self, work: Callable[[], Awaitable[int]]) -> int:
        async def asked() -> int:
            return await work()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(10)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self.port

    async def _end(self) -> int:
        self._server.close()
        ended = await self._cut()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return ended

    async def _cut(self) -> int:
        connections = list(self._connections)
        for connection in connections:
            connection.cut()
        return len(connections)

    async def _silence(self) -> int:
        heard = [each for each in self._connections if not each.silent]
        for connection in heard:
            connection.silent = True
        return len(heard)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if self.refusing:
            writer.transport.abort()
            return
        try:
            onward, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        connection = Connection((writer, back))
        self._connections.add(connection)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry(connection, reader, back))
                both.create_task(self._carry(connection, onward, writer))
        except* OSError:
            pass
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _carry(
        self, connection: Connection, source: asyncio.StreamReader, to: asyncio.StreamWriter
    ) -> None:
        """Carry one direction; its end, or the end of what it leads to, ends both."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(AHEAD)
        arriving = asyncio.create_task(self._arrive(connection, under_way, to))
        try:
            while data := await source.read(CHUNK):
                await under_way.put((self._loop.time() + self.delay_s, data))
                if arriving.done():
                    break
        finally:
            arriving.cancel()
        raise ConnectionResetError

    async def _arrive(
        self,
        connection: Connection,
        under_way: asyncio.Queue[tuple[float, bytes]],
        to: asyncio.StreamWriter,
    ) -> None:
        while True:
            at, data = await under_way.get()
            wait = at - self._loop.time()
            if wait > 0:
                await asyncio.sleep(wait)
            if connection.silent:
                continue
            to.write(data)
            await to.drain()
