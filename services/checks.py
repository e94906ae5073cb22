"""The preflight test of an input. Others that a kind's policy can name: `space_checks.py`, `state_checks.py`."""

from services.access import Actor
from services.desk import Desk
from services.errors import InputMissing, ServiceUnavailable
from services.models import Job
from services.policy import CheckResult
from services.sizes import human_size
from services.uploads import stored_input

_CODE = "input_in_storage"


async def input_in_storage(desk: Desk, job: Job, actor: Actor) -> CheckResult:  # noqa: ARG001 - the form of a check
    """Whether the bytes of the job's upload can still be read. Not being able to ask blocks as well."""
    upload = await stored_input(desk, job.workspace_id, job.upload_id)
    if upload is None:
        return _missing("of this job")
    facts = {"filename": upload.filename, "size": upload.size}
    try:
        size = await desk.storage.size(upload.storage_key)
    except ServiceUnavailable as error:
        message = f"Cannot see whether input {upload.filename} is still in storage: {error.message}"
        return CheckResult(_CODE, passed=False, message=message, facts=facts, error=error)
    if size is None:
        return _missing(upload.filename)
    message = f"Input {upload.filename} ({human_size(size)}) is still in storage"
    return CheckResult(_CODE, passed=True, message=message, facts=facts)


def _missing(name: str) -> CheckResult:
    error = InputMissing(name=name)
    return CheckResult(_CODE, passed=False, message=error.message, facts={"filename": name}, error=error)
