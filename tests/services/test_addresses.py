"""The guard of addresses: what is read, where may be connected to, and that the connection goes to what was checked."""

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest

from services.guard.addresses import AddressGuard, AddressRefused, Resolver, is_public, parse_address
from services.guard.http import GuardedTransport, guarded_client
from services.guard.proxy import GuardedProxy, guarded_proxy
from services.settings import Settings
from tests.support.fileserver import FileServer, Stalling
from tests.support.waiting import eventually

HOSTILE = """
ftp://example.org/ | file:///etc/passwd | gopher://example.org/ | javascript:alert(1) | //example.org/ | example.org
http:example.org | http:/example.org | http:// | http:///path | https://?x
http://user:pw@example.org/ | http://example.org@127.0.0.1/ | http://@example.org/
http://2130706433/ | http://0x7f000001/ | http://0x7f.1/ | http://017700000001/ | http://0177.0.0.1/ | http://127.1/
http://127.0.0.1.1/ | http://256.1.1.1/ | http://1.1.1.0x1/ | http://127.0.0.01/ | http://1/
http://[::1 | http://[::1%25eth0]/ | http://[fe80::1%eth0]/ | http://[v1.x]/ | http://[127.0.0.1]/ | http://[]/
http://ex%61mple.org/ | http://exa mple.org/ | http://example.org\\@127.0.0.1/ | http://exam\tple.org/
http://example.org/\x00 | http://example.org/\rX | http://exa\u2028mple.org/
http://a..example.org/ | http://.example.org/ | http://-a.example.org/ | http://a-.org/ | http://example.org../
http://example.org:0/ | http://example.org:65536/ | http://example.org:http/ | http://example.org:-1/
http://\u2100.example.org/ | http://exa\u0000mple.org/ | http://\uff11\uff12\uff17.1/ | http://a,b/ | http://{x}/
"""

_PRIVATE = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 169.254.1.1
100.64.0.1 100.100.100.200 168.63.129.16 192.0.0.192 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255 192.88.99.1
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b:1::a00:1 2002:7f00:1:: 2002:808:808:: 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 3fff::1 5f00::1
fe80::1 fec0::1 fc00::1 fd00:ec2::254 ff02::1 ff0e::1 100::1 4000::1
"""

_PUBLIC = "1.1.1.1 8.8.8.8 93.184.215.14 2606:4700::1111 2a00:1450:4001:80b::200e 64:ff9b::808:808"


def names(table: dict[str, Sequence[str]]) -> Resolver:
    """A resolver that knows these names; each answer is given once, the last one for ever."""
    left = {name: list(answers) for name, answers in table.items()}

    async def resolve(host: str, port: int) -> Sequence[str]:
        if host not in left:
            raise OSError(f"{host} is unknown")
        answers = left[host]
        return (answers.pop(0) if len(answers) > 1 else answers[0]).split()

    return resolve


def settings(*, private: bool = False) -> Settings:
    return Settings(allow_private_urls=private, _env_file=None)


class TestReading:
    @pytest.mark.parametrize(
        "text", [case.strip(" ") for case in HOSTILE.strip("\n").replace("\n", "|").split("|")]
    )
    def test_what_could_be_read_in_two_ways_is_refused(self, text: str) -> None:
        with pytest.raises(AddressRefused) as refused:
            parse_address(text)

        assert (refused.value.code, refused.value.status) == ("invalid", 422)
        assert refused.value.message.startswith("This address cannot be used: ")

    def test_what_is_too_long_or_nothing_is_refused(self) -> None:
        endless = ("http://example.org/" + "x" * 9000, f"http://{'a.' * 130}org/", f"http://{'a' * 64}.org/")
        for text in ("", "  ", "http://example.org/\r\nX: y", *endless):
            with pytest.raises(AddressRefused):
                parse_address(text)

    @pytest.mark.parametrize(
        ("text", "url", "host", "port"),
        [
            (" https://Example.org \n", "https://example.org", "example.org", 443),
            (
                "HTTP://example.org.:8080/a%20b?q=1#x",
                "http://example.org:8080/a%20b?q=1#x",
                "example.org",
                8080,
            ),
            ("https://bücher.example/ü", "https://xn--bcher-kva.example/ü", "xn--bcher-kva.example", 443),
            ("http://\uff11\uff12\uff17\u30020\u30020\u30021/", "http://127.0.0.1/", "127.0.0.1", 80),
            ("http://[2001:DB8:0::1]:81/", "http://[2001:db8::1]:81/", "2001:db8::1", 81),
            ("http://my_host-1/" + "x" * 5000, "http://my_host-1/" + "x" * 5000, "my_host-1", 80),
        ],
    )
    def test_an_address_is_written_as_the_next_reader_will_understand_it(
        self, text: str, url: str, host: str, port: int
    ) -> None:
        address = parse_address(text)

        assert (address.url, address.host, address.port) == (url, host, port)
        assert parse_address(address.url) == address

    def test_callers_may_allow_more(self) -> None:
        address = parse_address("ftp://u:p@example.org/x", schemes=("ftp",), allow_credentials=True)

        assert (address.port, address.url) == (21, "ftp://u:p@example.org/x")


class TestWhere:
    @pytest.mark.parametrize("text", _PRIVATE.split())
    async def test_inside_is_refused_unless_allowed(self, text: str) -> None:
        assert not is_public(ip_address(text))
        # Also where one of several is private, and where the address stands in the URL itself.
        there = names({"mixed.example": [f"8.8.8.8 {text}"]})
        url = f"http://[{ip_address(text)}]/" if ":" in text else f"http://{text}/"
        for hostile in ("http://mixed.example/", url):
            with pytest.raises(AddressRefused, match="private or reserved"):
                await AddressGuard.of(settings(), there).check(hostile)
            address = await AddressGuard.of(settings(private=True), there).check(hostile)
            assert address.url == hostile

    @pytest.mark.parametrize("text", _PUBLIC.split())
    async def test_the_public_internet_is_allowed(self, text: str) -> None:
        assert is_public(ip_address(text))
        found = await AddressGuard(resolver=names({"a.example": [text]})).addresses("a.example", 443)
        assert found == [ip_address(text)]

    async def test_the_systems_own_names_for_here_are_refused(self) -> None:
        for name in ("localhost", "127.0.0.1", "::1"):
            with pytest.raises(AddressRefused):
                await AddressGuard().addresses(name, 80)

    async def test_a_name_that_nobody_answers_for_takes_its_time_limit(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.guard.addresses._RESOLVE_SECONDS", 0.05)

        async def never(host: str, port: int) -> Sequence[str]:
            await asyncio.sleep(60)
            return ()

        with pytest.raises(TimeoutError, match="could not be looked up"):
            await AddressGuard(resolver=never).addresses("a.example", 80)
        with pytest.raises(OSError, match="unknown"):
            await AddressGuard(resolver=names({})).addresses("a.example", 80)


class TestClient:
    async def test_a_name_that_changes_its_mind_is_refused_when_it_does(
        self, file_server: FileServer
    ) -> None:
        there = names({"rebind.example": ["8.8.8.8", "127.0.0.1"]})
        await AddressGuard.of(settings(), there).check(f"http://rebind.example:{file_server.port}/")

        async with guarded_client(settings(), resolver=there) as client:
            with pytest.raises(AddressRefused):
                await client.get(f"http://rebind.example:{file_server.port}/")
        assert file_server.received == []

    async def test_it_asks_once_and_connects_to_the_answer_in_the_names_name(
        self, file_server: FileServer
    ) -> None:
        (file_server.folder / "a.txt").write_text("hello")
        there = names({"a.example": ["::1 127.0.0.1", "8.8.8.8"]})

        async with guarded_client(settings(private=True), resolver=there, timeout=5) as client:
            answer = await client.get(f"http://a.example:{file_server.port}/a.txt")

        assert answer.text == "hello"
        assert answer.url.host == "a.example"
        assert file_server.received[0].headers["Host"] == f"a.example:{file_server.port}"

    @pytest.mark.parametrize(
        "to", ["http://inside.example:{port}/secret", "http://127.0.0.1:{port}/secret", "//0x7f.1/"]
    )
    async def test_each_hop_of_a_redirect_is_checked(self, file_server: FileServer, to: str) -> None:
        where = to.format(port=file_server.port)
        file_server.on("/start", lambda request: request.answer(302, Location=where))

        class FirstIsFine(GuardedTransport):
            """All of this test is loopback; its first hop is taken for public."""

            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if request.url.path == "/start":
                    return await httpx.AsyncHTTPTransport.handle_async_request(self, request)
                return await super().handle_async_request(request)

        guard = AddressGuard(resolver=names({"inside.example": ["10.0.0.1"]}))
        async with httpx.AsyncClient(
            transport=FirstIsFine(guard, httpx.create_ssl_context()), follow_redirects=True
        ) as client:
            with pytest.raises(AddressRefused):
                await client.get(f"{file_server.url}/start")
        assert [request.path for request in file_server.received] == ["/start"]

    async def test_what_cannot_be_found_or_reached_is_an_error_of_httpx(self) -> None:
        async with guarded_client(
            settings(private=True), resolver=names({"a.example": ["127.0.0.1"]})
        ) as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("http://a.example:1/")
            with pytest.raises(httpx.ConnectError, match=r"b\.example cannot be found"):
                await client.get("http://b.example/")

    async def test_tls_is_checked_for_the_name(self, tmp_path: Path) -> None:
        server, trust = await a_tls_server(tmp_path, "good.example")
        port = server.sockets[0].getsockname()[1]
        there = names({"good.example": ["127.0.0.1"], "bad.example": ["127.0.0.1"]})

        async with server, guarded_client(settings(private=True), resolver=there, verify=trust) as client:
            answer = await client.get(f"https://good.example:{port}/")
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await client.get(f"https://bad.example:{port}/")

        assert answer.text == "good.example"


class TestProxy:
    async def test_it_carries_http_and_tunnels_for_who_has_its_address(
        self, file_server: FileServer, tmp_path: Path
    ) -> None:
        (file_server.folder / "a.txt").write_text("hello" * 100_000)
        server, trust = await a_tls_server(tmp_path, "good.example")
        port = server.sockets[0].getsockname()[1]
        there = names({"good.example": ["127.0.0.1"]})

        async with server, guarded_proxy(settings(private=True), resolver=there) as proxy:
            async with httpx.AsyncClient(proxy=proxy.url, verify=trust) as client:
                plain = await client.get(f"http://good.example:{file_server.port}/a.txt?x=1")
                posted = await client.post(f"http://good.example:{file_server.port}/a.txt", content=b"abc")
                tunnelled = await client.get(f"https://good.example:{port}/")
            stranger = await self.ask(proxy, b"GET http://good.example/ HTTP/1.1\r\n\r\n")
            guess = await self.ask(
                proxy, b"GET http://x/ HTTP/1.1\r\nProxy-Authorization: Basic eDp5\r\n\r\n"
            )

        assert (plain.text, posted.status_code, tunnelled.text) == ("hello" * 100_000, 200, "good.example")
        assert [(r.path, r.body) for r in file_server.received] == [("/a.txt?x=1", b""), ("/a.txt", b"abc")]
        assert not any("proxy" in name.lower() for r in file_server.received for name in r.headers)
        assert stranger.startswith(b"HTTP/1.1 407")
        assert guess.startswith(b"HTTP/1.1 407")

    async def test_inside_redirects_and_rebinding_are_refused(self, file_server: FileServer) -> None:
        there = names({"inside.example": ["10.0.0.1"], "rebind.example": ["8.8.8.8", "127.0.0.1"]})
        await AddressGuard.of(settings(), there).check("http://rebind.example/")

        async with (
            guarded_proxy(settings(), resolver=there) as proxy,
            httpx.AsyncClient(proxy=proxy.url) as client,
        ):
            for host in ("inside.example", "rebind.example", "127.0.0.1"):
                answer = await client.get(f"http://{host}:{file_server.port}/")
                assert (answer.status_code, "private or reserved" in answer.text) == (403, True), host
            with pytest.raises(httpx.ProxyError, match="403"):
                await client.get("https://inside.example/")
            unknown = await client.get("http://unknown.example/")
            assert proxy.refused
            assert proxy.refused.data["host"] == "inside.example"

        assert unknown.status_code == 502
        assert file_server.received == []

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"GET http://a.example/ HTTP/1.1\r\nno colon\r\n{auth}\r\n", 400),
            (b"GET http://a.example/ HTTP/1.1\r\nX: a\nInjected: b\r\n{auth}\r\n", 400),
            (b"GET http://a.example/ HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n{auth}\r\n", 431),
            (b"GET https://a.example/ HTTP/1.1\r\n{auth}\r\n", 403),
            (b"GET / HTTP/1.1\r\n{auth}\r\n", 403),
            (b"CONNECT u@a.example:80 HTTP/1.1\r\n{auth}\r\n", 403),
            (b"rubbish\r\n{auth}\r\n", 403),
            (b"POST http://a.example:{port}/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n{auth}\r\n", 411),
            (
                b"POST http://a.example:{port}/ HTTP/1.1\r\nContent-Length: "
                + b"9" * 5_000
                + b"\r\n{auth}\r\n",
                400,
            ),
            (b"POST http://a.example:{port}/ HTTP/1.1\r\nContent-Length: -1\r\n{auth}\r\n", 411),
        ],
    )
    async def test_what_makes_no_sense_is_answered_and_closed(
        self, file_server: FileServer, request_: bytes, status: int
    ) -> None:
        there = names({"a.example": ["127.0.0.1"]})
        async with guarded_proxy(settings(private=True), resolver=there) as proxy:
            url = httpx.URL(proxy.url)
            auth = httpx.BasicAuth(url.username, url.password or "")._auth_header.encode()
            filled = request_.replace(b"{auth}", b"Proxy-Authorization: " + auth + b"\r\n")
            answer = await self.ask(proxy, filled.replace(b"{port}", str(file_server.port).encode()))

        assert answer.startswith(f"HTTP/1.1 {status} ".encode())

    async def test_at_its_end_nothing_of_it_is_left(self, file_server: FileServer) -> None:
        stalling = Stalling(b"x" * 100, after=10)
        url = file_server.on("/stall", stalling)
        before = asyncio.all_tasks()

        async with guarded_proxy(settings(private=True)) as proxy:
            reading = asyncio.create_task(self.fetch(proxy, url))
            await eventually(lambda: file_server.received, expect="the request has arrived")
        with pytest.raises(httpx.TransportError):
            await reading

        stalling.release()
        await eventually(lambda: asyncio.all_tasks() <= before, expect="no task of the proxy is left")

    @staticmethod
    async def fetch(proxy: GuardedProxy, url: str) -> None:
        async with httpx.AsyncClient(proxy=proxy.url) as client:
            await client.get(url)

    @staticmethod
    async def ask(proxy: GuardedProxy, request: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(proxy.url).port)
        writer.write(request)
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()


async def a_tls_server(folder: Path, name: str) -> tuple[asyncio.Server, ssl.SSLContext]:
    """A server that answers with the name that it was asked for, and who to trust for it."""
    certificate, key = a_certificate(folder, name)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    asked: list[str] = []
    context.sni_callback = lambda _socket, host, _context: asked.append(host)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + asked[-1].encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    return server, ssl.create_default_context(cafile=str(certificate))


def a_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for that name, signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, private
