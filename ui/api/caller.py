"""What routes ask for: the desk, who is calling, and a job's id. `gate.py` has found out who it is."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Request, Security
from fastapi.security import APIKeyCookie, HTTPBearer

from services.desk import Desk
from services.errors import JobNotFound
from services.people.access import Actor
from services.people.sessions import COOKIE

# Only for the description: the gate has let the caller in already.
_bearer = HTTPBearer(auto_error=False, description="An API token: `mulligan token create EMAIL`.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="The session of the web page.")
SIGNED_IN = [Security(_bearer), Security(_cookie)]


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


def _job_id(job_id: Annotated[str, Path(description="A job's id.")]) -> UUID:
    try:
        return UUID(job_id)
    except ValueError:
        raise JobNotFound from None


TheDesk = Annotated[Desk, Depends(_desk)]
Caller = Annotated[Actor, Depends(_actor)]
JobId = Annotated[UUID, Depends(_job_id)]
