"""A network that can be broken: a TCP proxy that is the address a broker advertises."""

import asyncio
import struct
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

CHUNK = 64 << 10
AHEAD = 64
"""Chunks on their way at once; a delayed network holds no more than this."""
CARRY_OUT_S = 0.1
"""How long a broker gets for a request whose answer is lost, before the connection is cut."""


class Requests:
    """The kinds of the requests in what a client sends, whichever pieces it comes in."""

    def __init__(self) -> None:
        self._begun = b""
        self._rest = 0

    def kinds(self, data: bytes) -> list[int]:
        """Give the `api_key` of every request whose head is complete with *data*."""
        found = []
        while data:
            if self._rest:
                data, self._rest = data[self._rest :], max(0, self._rest - len(data))
                continue
            missing = HEAD_BYTES - len(self._begun)
            self._begun, data = self._begun + data[:missing], data[missing:]
            if len(self._begun) == HEAD_BYTES:
                size, kind = struct.unpack(">ih", self._begun)
                found.append(kind)
                self._begun, self._rest = b"", size - 2
        return found


HEAD_BYTES = 6
"""A request begins with four bytes of length, which don't count, and two of its kind."""


class Connection:
    """Two sockets, client's and broker's, and whether anything still goes between them."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self.writers = writers
        self.requests = Requests()
        self.silent = False
        self.unheard = False
        """Whether the client hears no more of the broker."""

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
        self.answers_lost = 0
        self._losing: int | None = None
        self._connections: set[Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

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

    def lose_answer(self, kind: int) -> None:
        """Let the next request of this `api_key` be carried out, and cut before its answer."""
        self._losing = kind

    def _ask(self, work: Callable[[], Awaitable[int]]) -> int:
        async def asked() -> int:
            return await work()

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(10)

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self.port

    async def _end(self) -> int:
        self.refusing = True
        ended = await self._cut()
        # What was just accepted is a task of the loop first, and one of ours only then; a server
        # that is closed in between leaves its socket open.
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=0.1)
            await self._cut()
        self._server.close()
        # A socket that was reset is closed by the loop a little later.
        await asyncio.sleep(0.1)
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
                both.create_task(self._carry(connection, reader, back, asking=True))
                both.create_task(self._carry(connection, onward, writer, asking=False))
        except* OSError:
            pass
        finally:
            self._connections.discard(connection)
            connection.cut()

    async def _carry(
        self,
        connection: Connection,
        source: asyncio.StreamReader,
        to: asyncio.StreamWriter,
        *,
        asking: bool,
    ) -> None:
        """Carry one direction; its end, or the end of what it leads to, ends both."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(AHEAD)
        arriving = asyncio.create_task(self._arrive(connection, under_way, to))
        try:
            while data := await source.read(CHUNK):
                if asking and self._losing in connection.requests.kinds(data):
                    self._losing, connection.unheard = None, True
                    self.answers_lost += 1
                    self._loop.call_later(CARRY_OUT_S, connection.cut)
                if connection.unheard and not asking:
                    continue
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
