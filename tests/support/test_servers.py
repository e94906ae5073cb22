"""What the fixtures promise."""

import sqlalchemy as sa
from redis.asyncio import Redis

from services.database.database import Database
from services.migrate import is_current
from services.models import Workspace
from tests.support.fileserver import FileServer, failing
from tests.support.postgres import PostgresServer
from tests.support.valkey import ValkeyServer


class TestDatabases:
    async def test_one_is_migrated_and_empty(self, database_url: str):
        await self.use_it(database_url)

    async def test_and_the_next_one_is_again(self, database_url: str):
        await self.use_it(database_url)

    async def test_what_the_one_before_wrote_is_gone(self, database_url: str):
        await self.write_to_it(database_url)

    async def test_for_each_that_comes(self, database_url: str):
        await self.write_to_it(database_url)

    async def write_to_it(self, url: str) -> None:
        database = Database(url)
        async with database.write() as session:
            assert not (await session.scalars(sa.select(Workspace))).all()
            session.add(Workspace(slug="mine", name="Mine"))
        await database.close()

    async def use_it(self, url: str) -> None:
        database = Database(url)
        try:
            assert await is_current(database)
            async with database.write() as session:
                await session.execute(sa.text("CREATE TABLE only_here (id integer)"))
        finally:
            await database.close()

    def test_postgres_comes_back_with_its_data(self, postgres: PostgresServer):
        name = postgres.create_database()
        postgres.sql("CREATE TABLE kept (id integer)", name)
        postgres.restart()
        assert postgres.sql("SELECT count(*) FROM kept", name) == "0"
        postgres.drop_database(name)


class TestValkey:
    def test_it_comes_back_with_its_data(self, valkey: ValkeyServer):
        assert valkey.ask("SET kept yes") == "+OK"
        valkey.restart()
        assert valkey.ask("EXISTS kept") == ":1"

    async def test_its_address_is_one_for_clients(self, redis_url: str):
        client = Redis.from_url(redis_url)
        assert await client.ping()
        await client.aclose()

    def test_a_paused_one_is_silent(self, valkey: ValkeyServer):
        valkey.pause()

    def test_and_the_next_test_gets_it_running_and_empty(self, valkey: ValkeyServer):
        assert valkey.ask("DBSIZE") == ":0"


class TestFileServer:
    async def test_it_serves_ranges_and_failures(self, file_server: FileServer):
        import httpx

        (file_server.folder / "a.txt").write_text("hello")
        async with httpx.AsyncClient(base_url=file_server.url) as client:
            assert (await client.get("/a.txt")).text == "hello"
            part = await client.get("/a.txt", headers={"Range": "bytes=1-2"})
            assert (part.status_code, part.text) == (206, "el")
            assert (await client.get("/none")).status_code == 404
            assert (await client.post(file_server.on("/bad", failing(503)), content=b"x")).status_code == 503
        assert file_server.received[-1].body == b"x"
