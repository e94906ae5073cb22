"""The preflight test of an input. Others that a kind's policy can name: `space.py`, `state.py`."""

from services.desk import Desk
from services.errors import InputMissing, ServiceUnavailable
from services.models import Job
from services.people.access import Actor
from services.policy import CheckResult
from services.sizes import human_size
from services.storage.artifact_input import stored_artifact
from services.storage.uploads import stored_input

_CODE = "input_in_storage"


async def input_in_storage(desk: Desk, job: Job, actor: Actor) -> CheckResult:  # noqa: ARG001 - the form of a check
    """Whether the bytes of the job's input can still be read: its upload, or a file of another job's output.

    Not being able to ask blocks as well.
    """
    found = await _input_of(desk, job)
    if found is None:
        return _missing("of this job")
    name, key, size_at_first = found
    facts = {"filename": name, "size": size_at_first}
    try:
        size = await desk.storage.size(key)
    except ServiceUnavailable as error:
        message = f"Cannot see whether input {name} is still in storage: {error.message}"
        return CheckResult(_CODE, passed=False, message=message, facts=facts, error=error)
    if size is None:
        return _missing(name)
    message = f"Input {name} ({human_size(size)}) is still in storage"
    return CheckResult(_CODE, passed=True, message=message, facts=facts)


async def _input_of(desk: Desk, job: Job) -> tuple[str, str, int] | None:
    """Name, storage key and size of the job's input."""
    if upload := await stored_input(desk, job.workspace_id, job.upload_id):
        return upload.filename, upload.storage_key, upload.size
    kind = desk.kinds.get(job.kind)
    if kind and (artifact := await stored_artifact(desk, job, kind)):
        return artifact.name, artifact.storage_key, artifact.size
    return None


def _missing(name: str) -> CheckResult:
    error = InputMissing(name=name)
    return CheckResult(_CODE, passed=False, message=error.message, facts={"filename": name}, error=error)
