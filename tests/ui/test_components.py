"""What components make of their data, without a browser."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from nicegui import Client
from nicegui.page import page
from pydantic import BaseModel, Field, SecretStr

import services
from services.ids import new_id
from services.jobs.jobs import Actions
from services.models import Attempt, Job, Step
from services.policy import RetryPolicy
from services.vocabulary import BatchAction, Status, StepStatus, Trigger
from tests.support.desks import a_kind
from ui.components import audit_words, wording
from ui.components.answer import _indented as indented
from ui.components.args_schema import Shape, arg_fields
from ui.components.audit_words import _VERBS as AUDIT_VERBS
from ui.components.element import Tag
from ui.components.job_story import step_views, timeline
from ui.components.job_view import JobView, job_view
from ui.components.tree import tree
from ui.components.when_field import WhenField
from ui.theme import STATUS_LOOKS, STYLESHEET
from ui.theme.tokens import DARK, LIGHT

NOW = datetime(2026, 11, 22, 4, 18, tzinfo=UTC)
NOTHING = Actions(
    retry=False,
    edit=False,
    cancel=False,
    delete=False,
    download=False,
    start=False,
    copy=False,
    pause=False,
    resume=False,
    dismiss=False,
)


def a_job(**fields: Any) -> Job:
    job = Job(workspace_id=uuid4(), owner_id=uuid4(), kind="test.priced", title="A", created_at=NOW)
    for name, value in fields.items():
        setattr(job, name, value)
    return job


def a_view(limit: int | None = None, **fields: Any) -> JobView:
    return job_view(a_job(**fields), a_kind(policy=RetryPolicy(limit=limit)), NOTHING)


class TestWording:
    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (0.42, "0.4 s"),
            (48, "48 s"),
            (59.6, "1 min"),
            (200, "3 min 20 s"),
            (3600, "1 h"),
            (7500, "2 h 5 min"),
        ],
    )
    def test_durations(self, seconds: float, words: str) -> None:
        assert wording.duration(seconds) == words

    @pytest.mark.parametrize(
        ("count", "words"), [(0, "0 B"), (999, "999 B"), (1_200_000_000, "1.2 GB"), (4000, "4 kB")]
    )
    def test_sizes(self, count: int, words: str) -> None:
        assert wording.size(count) == words

    def test_plurals(self) -> None:
        assert [wording.plural(n, "credit") for n in (0, 1, 12_480)] == [
            "0 credits",
            "1 credit",
            "12,480 credits",
        ]


class TestJobView:
    def test_a_failure_shows_the_first_line_of_its_error(self) -> None:
        view = a_view(status=Status.FAILED, error="It broke\nTraceback …")
        assert (view.note, view.note_is_error) == ("It broke", True)

    def test_a_waiting_retry_shows_the_error_quietly(self) -> None:
        view = a_view(status=Status.SCHEDULED, error="Worker lost")
        assert (view.note, view.note_is_error) == ("Worker lost", False)

    def test_a_running_job_shows_step_and_percent(self) -> None:
        view = a_view(status=Status.RUNNING, progress=62.4, step="Encoding 720p")
        assert (view.percent, view.progress) == (62.4, "Encoding 720p · 62%")

    def test_a_job_that_is_being_cancelled_says_so(self) -> None:
        view = a_view(status=Status.RUNNING, cancel_requested_at=NOW)
        assert view.cancelling
        assert view.progress == "cancelling…"

    def test_progress_moves_only_what_runs(self) -> None:
        failed = a_view(status=Status.FAILED)
        assert failed.with_progress(50, "Encoding") is failed

    @pytest.mark.parametrize(
        ("limit", "fields", "words"),
        [
            (None, {}, "—"),
            (None, {"retry_count": 4}, "4"),
            (3, {"retry_count": 2}, "2 of 3"),
            (3, {"retry_count": 2, "max_retries": 5}, "2 of 5"),
            (None, {"auto_retry_count": 1}, "1 auto"),
            (3, {"retry_count": 1, "auto_retry_count": 2}, "1 of 3 · 2 auto"),
        ],
    )
    def test_retries_used_and_allowed(self, limit: int | None, fields: dict[str, Any], words: str) -> None:
        assert a_view(limit, **fields).retries == words

    def test_an_optimistic_row_is_queued_without_its_error(self) -> None:
        hoped = a_view(status=Status.FAILED, error="It broke").while_retrying()
        assert (hoped.status, hoped.note, hoped.retrying) == (Status.QUEUED, "", True)


class TestStory:
    def test_steps_tell_what_became_of_them(self) -> None:
        def step(name: str, status: StepStatus, result: Any = None) -> Step:
            return Step(
                job_id=new_id(), attempt=1, name=name, position=0, status=status, result=result,
                started_at=NOW, finished_at=NOW + timedelta(seconds=2.1),
            )  # fmt: skip

        steps = [step("probe", StepStatus.COMPLETED, {"value": 1}), step("encode", StepStatus.FAILED)]
        views = step_views(("probe", "encode", "upload"), steps, Status.FAILED)
        assert [(v.css, v.words) for v in views] == [
            ("done", "2.1 s · checkpoint kept"), ("bad", "failed after 2.1 s"), ("", "not reached"),
        ]  # fmt: skip

    def test_the_line_of_time_tells_of_retries_and_their_price(self) -> None:
        first = Attempt(
            job_id=new_id(), number=1, trigger=Trigger.FIRST, kind="k", status=Status.FAILED, error="It broke\nhere",
            queued_at=NOW, started_at=NOW, finished_at=NOW,
        )  # fmt: skip
        second = Attempt(
            job_id=first.job_id, number=2, trigger=Trigger.MANUAL, kind="k", status=Status.QUEUED, cost=1,
            requested_by="dana", queued_at=NOW,
        )  # fmt: skip
        words = [event.words for event in timeline(NOW, "dana", [second, first])]
        assert words == [
            "Created by dana",
            "Attempt 1 started",
            "Failed · It broke",
            "Retried by dana · 1 credit",
        ]

    def test_the_line_of_time_tells_a_retry_that_was_taken_back_from_a_job_that_was_cancelled(self) -> None:
        taken_back = Attempt(
            job_id=new_id(), number=2, trigger=Trigger.MANUAL, kind="k", status=Status.CANCELLED, void=True, cost=1,
            requested_by="dana", queued_at=NOW, finished_at=NOW,
        )  # fmt: skip
        words = [event.words for event in timeline(NOW, "dana", [taken_back])]
        assert words == ["Created by dana", "Retried by dana", "Retry taken back"]


class Size(StrEnum):
    SMALL = "small"
    LARGE = "large"


class Args(BaseModel):
    note: str | None = None
    upload_id: str
    size: Size = Field(default=Size.SMALL, json_schema_extra={"labels": {"small": "For the web"}})
    count: int = Field(description="How many")
    ratio: float = 1.5
    loud: bool = False
    key: SecretStr | None = None
    headers: dict[str, str] = {}
    body: str = Field(default="", max_length=5000)


class TestForm:
    def test_every_type_has_a_field(self) -> None:
        fields = {field.name: field for field in arg_fields(Args.model_json_schema(), "upload_id")}
        assert {name: field.shape for name, field in fields.items()} == {
            "upload_id": Shape.FILE, "size": Shape.CHOICE, "count": Shape.WHOLE_NUMBER, "note": Shape.TEXT,
            "ratio": Shape.NUMBER, "loud": Shape.YES_NO, "key": Shape.SECRET, "headers": Shape.JSON,
            "body": Shape.LONG_TEXT,
        }  # fmt: skip
        assert fields["count"].required
        assert fields["count"].hint == "How many"
        assert [(c.value, c.words) for c in fields["size"].choices] == [
            ("small", "For the web"),
            ("large", ""),
        ]

    def test_what_everybody_is_asked_comes_first(self) -> None:
        fields = arg_fields(Args.model_json_schema(), "upload_id")
        assert [field.name for field in fields][:3] == ["upload_id", "size", "count"]
        assert [field.in_front for field in fields] == [True] * 3 + [False] * 6


class TestAnswer:
    """What a receiver says in its kilobyte is a stranger's text."""

    def test_json_is_indented(self) -> None:
        assert indented('{"a":1}') == '{\n  "a": 1\n}'

    @pytest.mark.parametrize(
        "body", ["[" * 1024, "[" * 512 + "]" * 512, '{"a":' * 170 + "1" + "}" * 170, "plain"]
    )
    def test_brackets_neither_break_the_page_nor_fill_it(self, body: str) -> None:
        assert indented(body) == body


class TestWhen:
    def test_a_year_of_six_digits_is_no_time(self) -> None:
        with Client(page("/")) as client:
            when = WhenField(lambda: None, is_charged=False)
        when._take("2026-11-22T14:05:00.000Z")
        assert (when.at, when.is_complete) == (datetime(2026, 11, 22, 14, 5, tzinfo=UTC), True)
        when._take("+020266-11-22T14:05:00.000Z")
        assert (when.at, when.is_complete) == (None, False)
        client.delete()

    @pytest.mark.parametrize("is_charged", [True, False])
    def test_only_what_costs_something_is_said_to_be_charged(self, is_charged: bool) -> None:
        with Client(page("/")) as client:
            when = WhenField(lambda: None, is_charged=is_charged)
        when._choose(later=True)
        assert ("hidden" not in when._hint.classes) is is_charged
        client.delete()


class TestAudit:
    def test_details_are_words_and_no_code(self) -> None:
        said = audit_words.details(
            {"attempt": 1200, "changed": ["upload_id", "preset"], "forced": True, "at": None}
        )
        assert said == "attempt 1,200 · changed upload_id, preset · forced yes"

    def test_whatever_is_written_down_has_words(self) -> None:
        """Each action that stands in the services' own text."""
        calls = re.compile(
            r'(?:record(?:_own)?\((?:[^"()]|\([^()]*\))*|action=)((?:f?"[a-z._{}]+"(?: if \w+ else )?)+)'
        )
        folder = Path(services.__file__).parent
        said = " ".join(found for path in folder.rglob("*.py") for found in calls.findall(path.read_text()))
        actions = set(re.findall(r'"([a-z_]+\.[a-z_.]+)"', said)) | {f"batch.{each}" for each in BatchAction}
        assert {"job.retry", "job.pause", "job.resume", "job.erase", "member.add"} <= actions
        assert {action for action in actions if action not in AUDIT_VERBS} == set()


class TestTheme:
    def test_both_schemes_have_the_same_tokens(self) -> None:
        assert set(LIGHT) == set(DARK)

    def test_every_status_has_a_look(self) -> None:
        assert set(STATUS_LOOKS) == set(Status)

    def test_only_tokens_name_colours(self) -> None:
        import re
        from pathlib import Path

        import ui.theme

        rules = (Path(ui.theme.__file__).parent / "mulligan.css").read_text()
        assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?=[;\s,)])", rules)
        used = set(re.findall(r"var\(--([a-z-]+)", STYLESHEET))
        own = {"radius", "radius-small", "mono", "icons", "scheme", "p", "bars", "s-bg", "s-fg", "s-icon"}
        own |= {"h", "done", "failed", "late", "key"} | {
            name for name in used if name.startswith("k-")
        }  # charts
        own |= {"h", "done", "failed", "late", "key"}  # of the chart of the insights
        own |= {f"k-{name}" for name in ("completed", "failed", "timeout", "cancelled")}
        assert used - own <= set(LIGHT)


class TestTree:
    def drawn(self, value: Any) -> tuple[str, int]:
        """What it says, and of how many elements it is made."""
        with Client(page("")) as client:
            before = len(client.elements)
            tree(value)
            made = list(client.elements.values())[before:]
        said = " ".join(each.text for each in made if isinstance(each, Tag))
        client.delete()
        return said, len(made)

    def test_what_is_left_out_is_counted(self) -> None:
        assert self.drawn(list(range(202)))[0].endswith("… 2 more entries")
        assert self.drawn({"a": "x" * 2_001})[0].endswith("… 1 more character")
        assert "more" not in self.drawn({"a": ["x" * 2_000] * 200})[0]

    def test_a_page_is_not_made_of_a_stranger_s_millions(self) -> None:
        said, elements = self.drawn([[[0] * 200] * 200] * 200)
        assert elements < 10_000
        assert "199 more entries" in said
