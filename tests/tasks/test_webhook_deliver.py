"""`webhook.deliver` against a real endpoint, with a real worker, on both databases."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from services.desk import Desk
from services.errors import Invalid, QueueUnavailable, RetryLimitReached
from services.jobs import jobs, submission
from services.kinds import load_kinds
from services.models import Job
from services.people import webhook_secret
from services.people.access import Actor
from services.retry.retrying import plan_retry, retry
from services.vocabulary import TERMINAL, FailureType, Status, Trigger
from tasks.kinds.webhook.failures import retry_after
from tasks.kinds.webhook_deliver import WebhookArgs
from tests.support.desks import a_person, open_desk
from tests.support.endpoints import (
    an_endpoint,
    answer,
    drip,
    endless,
    hang,
    hang_up,
    huge_head,
    rubbish,
    trickle,
)
from tests.support.ports import free_port
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support.workers import a_worker

SECRET = "whsec_" + base64.b64encode(b"a key of twenty-four bytes").decode()
KIND = "webhook.deliver"
OK = answer(200, b'{"ok": true}', Content_Type="application/json", Set_Cookie="session=1")


class Sender:
    """Somebody with webhooks to deliver, and a worker that does it."""

    def __init__(self, desk: Desk, me: Actor) -> None:
        self.desk = desk
        self.me = me

    async def submit(self, url: str, **args: Any) -> Job:
        more = {"max_retries": args.pop("max_retries")} if "max_retries" in args else {}
        return await submission.submit(self.desk, self.me, KIND, {"url": url, **args}, **more)

    async def job(self, job: Job) -> Job:
        return await jobs.get_job(self.desk, self.me, job.id)

    async def settled(self, job: Job, *also: Status) -> Job:
        """The job once it is over, or in one of those."""

        async def look() -> Job | None:
            found = await self.job(job)
            return found if found.status in TERMINAL | set(also) else None

        found = await eventually(look, 30, expect="the job is settled")
        assert found
        return found

    async def delivered(self, url: str, **args: Any) -> Job:
        return await self.settled(await self.submit(url, **args), Status.SCHEDULED)


@asynccontextmanager
async def sending(
    database_url: str, redis_url: str, folder: Path, *, private: bool = True
) -> AsyncIterator[Sender]:
    load_kinds(["tasks.kinds.webhook_deliver"])
    kinds = load_kinds([])
    async with open_desk(
        database_url, redis_url, folder, kinds[KIND], allow_private_urls=private, lease_seconds=3
    ) as desk:
        sender = Sender(desk, await a_person(desk))
        async with a_worker(desk.settings):
            yield sender


@pytest.fixture
async def sender(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Sender]:
    async with sending(database_url, redis_url, tmp_path) as sender:
        yield sender


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Backoffs of no time."""
    monkeypatch.setattr("services.policy.Backoff.seconds", lambda self, retry: 0.0)


def verify(call: Any, secret: str) -> None:
    """As a receiver does it, from the text of the specification: Standard Webhooks 1.0.0, "Verifying signatures"."""
    signed = f"{call.headers['webhook-id']}.{call.headers['webhook-timestamp']}.{call.body.decode()}"
    mac = hmac.new(base64.b64decode(secret.split("_")[1]), signed.encode(), hashlib.sha256)
    assert call.headers["webhook-signature"] == "v1," + base64.b64encode(mac.digest()).decode()
    assert abs(int(call.headers["webhook-timestamp"]) - time.time()) < 60


class TestDelivery:
    async def test_it_arrives_as_ordered_signed_and_its_answer_is_kept(self, sender: Sender) -> None:
        async with an_endpoint(OK) as endpoint:
            job = await sender.delivered(
                endpoint.url + "/hook?a=1",
                method="PUT",
                headers={"X-Mine": "1", "Authorization": "Bearer sesame-open-now"},
                body={"text": "zwölf", "n": [1, None]},
                secret=SECRET,
            )

        assert (job.status, job.title) == (Status.COMPLETED, f"PUT {endpoint.url[7:]}/hook")
        (call,) = endpoint.calls
        assert (call.method, call.path, json.loads(call.body)) == (
            "PUT",
            "/hook?a=1",
            {"text": "zwölf", "n": [1, None]},
        )
        assert call.headers["content-type"] == "application/json"
        assert (call.headers["x-mine"], call.headers["authorization"]) == ("1", "Bearer sesame-open-now")
        assert call.headers["webhook-id"] == str(job.id)
        verify(call, SECRET)
        assert job.result
        response = job.result["response"]
        assert (response["status"], response["body"], response["body_bytes"], response["body_complete"]) == (
            200,
            '{"ok": true}',
            12,
            True,
        )
        assert response["headers"] == {"content-length": "12", "content-type": "application/json"}
        assert 0 <= response["seconds"] < 30

    async def test_the_workspace_s_secret_signs_what_brings_none(self, sender: Sender) -> None:
        secret = await webhook_secret.make(sender.desk, sender.me)
        repeats = answer(200, f"you signed with {secret}".encode(), Content_Type="text/plain")
        async with an_endpoint(repeats, OK) as endpoint:
            job = await sender.delivered(endpoint.url, body={"n": 1})
            await sender.delivered(endpoint.url, body={"n": 2}, secret=SECRET)

        signed, by_its_own = endpoint.calls
        verify(signed, secret)
        verify(by_its_own, SECRET)
        assert job.result
        assert secret not in json.dumps(job.result)
        assert "you signed with" in job.result["response"]["body"]

    async def test_without_body_and_secret(self, sender: Sender) -> None:
        async with an_endpoint(answer(204)) as endpoint:
            job = await sender.delivered(endpoint.url, method="GET")

        assert job.status is Status.COMPLETED
        (call,) = endpoint.calls
        assert (call.method, call.path, call.body) == ("GET", "/", b"")
        assert not {"webhook-signature", "content-type"} & set(call.headers)

    async def test_a_secret_is_shown_nowhere(self, sender: Sender) -> None:
        echo = f"you said {SECRET}".encode()
        async with an_endpoint(answer(400, echo, X_Echo=SECRET)) as endpoint:
            job = await sender.delivered(f"{endpoint.url}/?token=verysecret", secret=SECRET)

        detail = await jobs.job_detail(sender.desk, sender.me, job.id)
        lines, _ = await jobs.logs(sender.desk, sender.me, job.id, None)
        seen = f"{job.result} {job.error} {job.title} {detail.attempts} {[line.message for line in lines]}"
        assert SECRET not in seen
        assert "verysecret" not in seen
        assert job.result
        assert job.result["response"]["body"] == "you said ••••••"


class TestRecovering:
    async def test_a_flaky_endpoint_recovers_by_itself_under_one_id(
        self, sender: Sender, at_once: None
    ) -> None:
        async with an_endpoint(answer(500), answer(503, b"busy"), hang_up, OK) as endpoint:
            job = await sender.settled(await sender.submit(endpoint.url, secret=SECRET))

        assert (job.status, job.attempt, job.auto_retry_count, job.retry_count) == (Status.COMPLETED, 4, 3, 0)
        assert len({call.headers["webhook-id"] for call in endpoint.calls}) == 1
        for call in endpoint.calls:
            verify(call, SECRET)
        detail = await jobs.job_detail(sender.desk, sender.me, job.id)
        assert [a.error for a in sorted(detail.attempts, key=lambda a: a.number)] == [
            "The endpoint answered 500 Internal Server Error",
            "The endpoint answered 503 Service Unavailable",
            "The connection to the endpoint broke off",
            None,
        ]

    async def test_it_waits_as_long_as_the_endpoint_asks(self, sender: Sender, at_once: None) -> None:
        async with an_endpoint(answer(429, b"slow down", Retry_After="40")) as endpoint:
            job = await sender.delivered(endpoint.url)

            assert job.status is Status.SCHEDULED
            assert job.due_at
            assert timedelta(seconds=39) < job.due_at - job.updated_at < timedelta(seconds=42)
            assert (
                job.error == "The endpoint answered 429 Too Many Requests and asked to be left alone for 40 s"
            )
            assert job.result
            assert job.result["response"]["body"] == "slow down"
            # A person need not wait.
            endpoint.script[:] = [OK]
            await jobs.start_now(sender.desk, sender.me, job.id)
            assert (await sender.settled(job)).status is Status.COMPLETED

    async def test_it_is_not_made_to_wait_for_ever(self, sender: Sender) -> None:
        async with an_endpoint(answer(503, Retry_After="99999999")) as endpoint:
            job = await sender.delivered(endpoint.url)
        assert job.due_at
        assert job.due_at - job.updated_at < timedelta(hours=1, minutes=1)

    def test_retry_after_is_seconds_or_a_date(self) -> None:
        now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
        assert retry_after("120", now) == 120
        assert retry_after(format_datetime(now + timedelta(minutes=5), usegmt=True), now) == 300
        assert retry_after(format_datetime(now - timedelta(minutes=5), usegmt=True), now) == 0
        for rubbish_ in ("", "soon", "-1", "1.5", "²", "Sun, 99 Foo 2026 25:00:00 GMT"):
            assert retry_after(rubbish_, now) is None


class TestFailing:
    async def test_what_no_other_try_mends_fails_with_advice_and_is_retried_by_a_person(
        self, sender: Sender
    ) -> None:
        async with an_endpoint(answer(404, b"no such hook"), OK) as endpoint:
            job = await sender.delivered(endpoint.url)
            assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT)
            assert (job.error, job.advice) == (
                "The endpoint answered 404 Not Found",
                "Nothing is there. Check the address.",
            )
            assert job.result
            assert job.result["response"]["body"] == "no such hook"

            plan = await plan_retry(sender.desk, sender.me, job.id)
            assert (plan.allowed, plan.cost, plan.retries_left) == (True, 0, 3)
            await retry(sender.desk, sender.me, job.id, version=job.version)
            job = await sender.settled(job)

        assert (job.status, job.retry_count, job.error) == (Status.COMPLETED, 1, None)
        assert job.result
        assert job.result["response"]["status"] == 200

    async def test_a_redirect_is_not_followed(self, sender: Sender) -> None:
        async with an_endpoint(answer(302, Location="http://169.254.169.254/latest/")) as endpoint:
            job = await sender.delivered(endpoint.url)

        assert (job.status, job.failure_type, len(endpoint.calls)) == (
            Status.FAILED,
            FailureType.PERMANENT,
            1,
        )
        assert "a redirect to http://169.254.169.254/latest/, which is not followed" in (job.error or "")

    async def test_an_endpoint_that_misbehaves(self, sender: Sender) -> None:
        for reply, words, failure_type in (
            (drip, "did not answer within 1 s", FailureType.TRANSIENT),
            (huge_head, "answer makes no sense", FailureType.PERMANENT),
            (rubbish, "answer makes no sense", FailureType.PERMANENT),
        ):
            async with an_endpoint(reply) as endpoint:
                # Only what drips for ever shall run into its time limit, also on a busy machine.
                job = await sender.delivered(endpoint.url, timeout=1 if reply is drip else 30)
            assert words in (job.error or "")
            assert job.failure_type is failure_type
            assert job.advice

    async def test_a_body_without_end_is_cut_and_the_delivery_stands(
        self, sender: Sender, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("tasks.kinds.webhook.delivery._BODY_SECONDS", 1)
        for reply, body in ((endless, "x" * 1024), (trickle, "thank you")):
            async with an_endpoint(reply) as endpoint:
                job = await sender.delivered(endpoint.url)
            assert job.status is Status.COMPLETED
            assert job.result
            response = job.result["response"]
            assert (response["body"], response["body_complete"]) == (body, False)
            assert response["body_bytes"] <= 256 * 1024

    async def test_a_body_that_is_no_text(self, sender: Sender) -> None:
        for reply, shown in (
            (answer(400, b"\x00\x01\xff" * 100), "(not text)"),
            (answer(400, b"a\x00b"), "a\ufffdb"),
            (answer(400, b"\x1f\x8b rest", Content_Encoding="gzip"), "(gzip, not decoded)"),
        ):
            async with an_endpoint(reply) as endpoint:
                job = await sender.delivered(endpoint.url)
            assert job.result
            assert job.result["response"]["body"] == shown

    async def test_nobody_there(self, sender: Sender) -> None:
        job = await sender.delivered(f"http://127.0.0.1:{free_port()}/")
        assert (job.status, job.failure_type) == (Status.SCHEDULED, FailureType.TRANSIENT)
        assert job.error == "The endpoint cannot be reached"

    async def test_inside_is_not_reached(self, database_url: str, redis_url: str, tmp_path: Path) -> None:
        async with (
            sending(database_url, redis_url, tmp_path, private=False) as sender,
            an_endpoint(OK) as endpoint,
        ):
            job = await sender.delivered(endpoint.url)
        assert (job.status, job.failure_type) == (Status.FAILED, FailureType.PERMANENT)
        assert "127.0.0.1 is in a private or reserved network" in (job.error or "")
        assert endpoint.calls == []


class TestPolicy:
    async def test_cancel_ends_a_delivery_that_hangs(self, sender: Sender) -> None:
        async with an_endpoint(hang) as endpoint:
            job = await sender.submit(endpoint.url, timeout=300)
            await eventually(lambda: endpoint.calls, 20, expect="the request has arrived")
            await jobs.cancel(sender.desk, sender.me, job.id)
            job = await sender.settled(job)
            await eventually(lambda: endpoint.hung_up, expect="the connection is closed")
        assert job.status is Status.CANCELLED

    async def test_so_many_retries_and_no_more(self, sender: Sender) -> None:
        async with an_endpoint(answer(404)) as endpoint:
            job = await sender.delivered(endpoint.url, max_retries=1)
            await retry(sender.desk, sender.me, job.id)
            job = await sender.settled(job)
            with pytest.raises(RetryLimitReached, match=r"^Max retries \(1\) reached\.$"):
                await retry(sender.desk, sender.me, job.id)
        assert (job.retry_count, len(endpoint.calls)) == (1, 2)

    async def test_a_queue_that_is_down_reverts_the_retry(self, sender: Sender, valkey: ValkeyServer) -> None:
        async with an_endpoint(answer(404)) as endpoint:
            job = await sender.delivered(endpoint.url)
        valkey.stop()
        try:
            with pytest.raises(QueueUnavailable, match="Failed to re-queue task"):
                await retry(sender.desk, sender.me, job.id)
            after = await sender.job(job)
        finally:
            valkey.start()
        assert (after.status, after.error, after.retry_count) == (
            Status.FAILED,
            "Failed to re-queue task.",
            0,
        )
        detail = await jobs.job_detail(sender.desk, sender.me, job.id)
        first = next(a for a in detail.attempts if a.trigger is Trigger.FIRST)
        assert first.error == "The endpoint answered 404 Not Found"


class TestArguments:
    @pytest.mark.parametrize(
        ("args", "words"),
        [
            ({"url": "ftp://example.org"}, "args.url: This address cannot be used"),
            ({"url": "http://127.1/"}, "four decimal numbers"),
            ({"headers": {"Host": "a"}}, "the header Host is not yours to set"),
            ({"headers": {"content-LENGTH": "1"}}, "not yours"),
            ({"headers": {"Proxy-Authorization": "1"}}, "not yours"),
            ({"headers": {"webhook-id": "1"}}, "not yours"),
            ({"headers": {"X": "a\r\nY: b"}}, "no line breaks"),
            ({"headers": {"X\r\n": "a"}}, "no name of a header"),
            ({"headers": {"X": "x" * 20_000}}, "16384 bytes together"),
            ({"method": "TRACE"}, "args.method"),
            ({"method": "GET", "body": {}}, "a GET request carries no body"),
            ({"body": "x" * 2_000_000}, "a body may have 1048576 bytes"),
            ({"secret": "whsec_not base64"}, "written in base64"),
            ({"timeout": 0}, "args.timeout"),
            ({"follow": True}, "args.follow"),
        ],
    )
    def test_what_cannot_be_sent_is_refused_when_it_is_submitted(
        self, args: dict[str, Any], words: str
    ) -> None:
        kind = load_kinds(["tasks.kinds.webhook_deliver"])[KIND]
        with pytest.raises(Invalid) as refused:
            kind.parse_args({"url": "https://example.org/", **args})
        assert words in refused.value.message

    def test_a_secret_is_kept_and_not_shown(self) -> None:
        args = WebhookArgs(url="https://example.org", secret=SECRET)
        assert SECRET not in repr(args)
