"""A TCP proxy in front of the database that can be closed and frozen."""

import asyncio
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Forwards a port of this machine to the server of a URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.hostname or not parts.port:
            raise ValueError("the database's URL must name its host and port")
        self.target = (parts.hostname, parts.port)
        self.parts = parts
        self.port = 0
        self.server: asyncio.Server | None = None
        self.writers: set[asyncio.StreamWriter] = set()
        self.running = asyncio.Event()

    @property
    def url(self) -> str:
        user = self.parts.netloc.rpartition("@")[0]
        return self.parts._replace(netloc=f"{user}@127.0.0.1:{self.port}").geturl()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        """Forward again."""
        self.running.set()
        if not self.server:
            self.server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and end those there are."""
        self.running.set()
        if self.server:
            self.server.close()
            self.server = None
        for writer in self.writers:
            writer.transport.abort()

    async def freeze(self) -> None:
        """Take connections and bytes, and say nothing."""
        self.running.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self.running.wait()
        there, back = await asyncio.open_connection(*self.target)
        ends = {writer, back}
        self.writers |= ends
        try:
            await asyncio.gather(self._forward(reader, back), self._forward(there, writer))
        finally:
            self.writers -= ends
            for end in ends:
                end.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                await self.running.wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.close()
