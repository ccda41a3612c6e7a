"""A loopback port that leads to a server's port, on a thread of its own. Subclasses say how bytes are copied."""

import asyncio
import socket
import threading


class Relay:
    """Copies bytes in both directions of each connection, until one end closes it."""

    def __init__(self, target: int, port: int = 0):
        """`target`: the server's port. `port`: the relay's own; 0: any free one."""
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.serving.cancel)
        self.thread.join(10)
        assert not self.thread.is_alive(), "the relay did not end"

    def _run(self) -> None:
        self.serving = self.loop.create_task(self._serve())
        try:
            self.loop.run_until_complete(self.serving)
        except asyncio.CancelledError:
            pass
        finally:
            self.listener.close()
            self.loop.close()

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                client, _ = await self.loop.sock_accept(self.listener)
                self._accept(client, group)

    def _accept(self, client: socket.socket, group: asyncio.TaskGroup) -> asyncio.Task | None:
        """Begins to serve a connection. Returns its task, or None if the connection is not wanted."""
        return group.create_task(self._connection(client))

    async def _connection(self, client: socket.socket) -> None:
        with client, socket.socket() as server:
            client.setblocking(False)
            server.setblocking(False)
            try:
                await self._connect(server)
                directions = [asyncio.create_task(each) for each in self._directions(client, server)]
                try:
                    # The connection ends in both directions when one end closes it.
                    await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for each in directions:
                        each.cancel()
                    await asyncio.gather(*directions, return_exceptions=True)
            except OSError:
                pass

    async def _connect(self, server: socket.socket) -> None:
        await self.loop.sock_connect(server, ("127.0.0.1", self.target))

    def _directions(self, client: socket.socket, server: socket.socket) -> tuple:
        """The two coroutines that copy: towards the server, and back. They end when their source does."""
        raise NotImplementedError
