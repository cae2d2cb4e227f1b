"""The proxy does to a connection what it says, and lets it live again."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.chaos.proxy import TcpProxy, Way


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that says everything back; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1_000):
                writer.write(data)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[TcpProxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    async with echo() as port, TcpProxy(lambda: port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        yield proxy, reader, writer
        writer.transport.abort()


async def said_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, word: bytes) -> bytes:
    writer.write(word)
    async with asyncio.timeout(5):
        return await reader.readexactly(len(word))


async def test_it_passes_on_both_ways() -> None:
    async with connected() as (proxy, reader, writer):
        assert await said_back(reader, writer, b"hello") == b"hello"
        assert proxy.passed == {Way.OUT: 5, Way.BACK: 5}


async def test_a_delay_is_felt_in_each_direction() -> None:
    async with connected() as (proxy, reader, writer):
        proxy.delay_s = 0.05
        began = asyncio.get_running_loop().time()
        await said_back(reader, writer, b"slow")
        assert asyncio.get_running_loop().time() - began >= 0.1


@pytest.mark.parametrize("ways", [(), (Way.OUT,), (Way.BACK,)])
async def test_what_is_held_comes_late_and_whole(ways: tuple[Way, ...]) -> None:
    async with connected() as (proxy, reader, writer):
        proxy.hold(*ways)
        writer.write(b"wait")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        proxy.release()
        assert await said_back(reader, writer, b" for it") == b"wait fo"


async def test_a_cut_connection_is_reset_and_the_next_one_works() -> None:
    async with connected() as (proxy, reader, writer):
        await said_back(reader, writer, b"hello")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            await reader.read(1)
        again = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said_back(*again, b"again") == b"again"
        again[1].transport.abort()


async def test_a_refusing_port_comes_back_at_the_same_place() -> None:
    async with connected() as (proxy, _reader, _writer):
        await proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", proxy.port)
        await proxy.accept()
        again = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said_back(*again, b"again") == b"again"
        again[1].transport.abort()
