"""A network on which a request to produce is refused, and the next one overtakes it."""

import socket
import struct
import threading
import time

PRODUCE = 0
NOT_LEADER = 6
HELD_S = 3.0  # How long the first request waits for a second.


class RefusingNetwork:
    """
    A network on which the first request to produce is refused, and a second one is not.

    As where the first comes just before a broker knows that it leads a partition.  The
    refusal has the shape of the second one's answer, which is for one topic and partition.

    Attributes:
        armed: Whether the next request to produce counts as the first.
        refused: Whether one was refused.
    """

    def __init__(self, port, to, *, armed=True):
        self.to = to
        self.armed = armed
        self.refused = False
        self.second = threading.Event()
        self.first = self.overtaking = None
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        """Take no more clients, also where one is waited for."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def await_first(self):
        """Wait until the first request is on its way."""
        while self.first is None:
            time.sleep(0.01)

    def accept(self):
        """Put every client through."""
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            broker = socket.create_connection(("127.0.0.1", self.to))
            for pump, ends in ((self.ask, (client, broker)), (self.answer, (broker, client))):
                threading.Thread(target=pump, args=ends, daemon=True).start()

    def ask(self, client, broker):
        """Pass on what a client asks, but hold its first request to produce."""
        for frame in frames(client):
            kind, version, number = struct.unpack(">hhi", frame[:8])
            if kind == PRODUCE and self.armed and self.first is None:
                self.first = number
                threading.Thread(target=self.hold, args=(frame, broker), daemon=True).start()
                continue
            waiting = self.first is not None and not self.second.is_set()
            if kind == PRODUCE and waiting:
                assert 9 <= version <= 12, "the place of the error is known for these"
                self.overtaking = number
                self.second.set()
            send(broker, frame)

    def hold(self, frame, broker):
        """Let the first request go after all if none overtakes it."""
        if not self.second.wait(HELD_S):
            self.second.set()
            send(broker, frame)

    def answer(self, broker, client):
        """Pass on answers; before that to the overtaking request, refuse the first."""
        for frame in frames(broker):
            (number,) = struct.unpack(">i", frame[:4])
            if number == self.overtaking and not self.refused:
                self.refused = True
                # Number, tags, count of topics, name, count of partitions, partition: the error.
                at = 4 + 1 + 1 + frame[6] + 1 + 4
                refusal = struct.pack(">i", self.first) + frame[4:at]
                send(client, refusal + struct.pack(">h", NOT_LEADER) + frame[at + 2 :])
            send(client, frame)


def frames(end):
    """Read frames until the connection ends."""
    stream = end.makefile("rb")
    while len(head := stream.read(4)) == 4:
        yield stream.read(struct.unpack(">i", head)[0])


def send(end, frame):
    """Write a frame."""
    end.sendall(struct.pack(">i", len(frame)) + frame)
