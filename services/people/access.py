"""Who acts, and what they may see and do. Every query of jobs is scoped by an `Actor`."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from services.database.database import Database
from services.errors import Forbidden
from services.models import Job, Membership, User, Workspace
from services.settings import Settings
from services.vocabulary import Role


async def owner_of(session: AsyncSession, job_id: UUID) -> "Actor | None":
    """Who submitted a job, with the role of now; None for who is no member of its workspace any more."""
    is_member = sa.and_(
        col(Membership.user_id) == col(User.id), col(Membership.workspace_id) == col(Workspace.id)
    )
    query = (
        sa.select(User, Workspace, Membership)
        .join(Job, col(Job.owner_id) == col(User.id))
        .join(Workspace, col(Workspace.id) == col(Job.workspace_id))
        .join(Membership, is_member)
        .where(col(Job.id) == job_id)
    )
    row = (await session.execute(query)).one_or_none()
    return Actor.of(*row) if row else None


class Accounts(Protocol):
    """What the services of people need of a desk; a shell has no more than this."""

    @property
    def settings(self) -> Settings:
        """The settings."""

    @property
    def db(self) -> Database:
        """The database."""


@dataclass(frozen=True, slots=True)
class Actor:
    """A user in one workspace, resolved anew for every request and every event of an open page."""

    user_id: UUID
    email: str
    name: str
    workspace_id: UUID
    workspace_slug: str
    workspace_name: str
    role: Role
    by_token: bool = False
    """Whether a program calls, with a token of the user's: it has this workspace alone, and an end."""

    @classmethod
    def of(
        cls, user: User, workspace: Workspace, membership: Membership, *, by_token: bool = False
    ) -> "Actor":
        """The user in the workspace, with the role that the membership gives."""
        return cls(
            user_id=user.id, email=user.email, name=user.name, workspace_id=workspace.id,
            workspace_slug=workspace.slug, workspace_name=workspace.name, role=membership.role, by_token=by_token,
        )  # fmt: skip

    @property
    def sees_all_jobs(self) -> bool:
        """Whether others' jobs exist for this actor; a member's are their own."""
        return self.role is not Role.MEMBER

    @property
    def may_change(self) -> bool:
        """Whether anything at all; a viewer only looks."""
        return self.role is not Role.VIEWER

    @property
    def operates(self) -> bool:
        """Whether the whole workspace's jobs are theirs to look after."""
        return self.role in {Role.ADMIN, Role.OPERATOR}

    @property
    def is_admin(self) -> bool:
        """Whether members, credits and settings are theirs to change."""
        return self.role is Role.ADMIN

    def sees(self, workspace_id: UUID, owner_id: UUID) -> bool:
        """Whether a job of this workspace and owner exists for this actor: `visible` without a query."""
        return workspace_id == self.workspace_id and (self.sees_all_jobs or owner_id == self.user_id)

    def visible(self) -> list[sa.ColumnElement[bool]]:
        """The conditions that every query of jobs carries: this workspace, not deleted, and a member's own only."""
        return [*self.scope(), col(Job.deleted_at).is_(None)]

    def scope(self) -> list[sa.ColumnElement[bool]]:
        """`visible`, deleted jobs included: for figures, which a deletion does not change."""
        conditions = [col(Job.workspace_id) == self.workspace_id]
        if not self.sees_all_jobs:
            conditions.append(col(Job.owner_id) == self.user_id)
        return conditions

    def require_change(self) -> None:
        """Raises Forbidden for a viewer."""
        if not self.may_change:
            raise Forbidden(role=self.role)

    def require_overview(self) -> None:
        """Raises Forbidden for a member, who sees only their own."""
        if not self.sees_all_jobs:
            raise Forbidden(role=self.role)

    def require_operator(self) -> None:
        """Raises Forbidden for everyone but operators and admins."""
        if not self.operates:
            raise Forbidden(role=self.role)

    def require_admin(self) -> None:
        """Raises Forbidden for everyone but an admin."""
        if not self.is_admin:
            raise Forbidden(role=self.role)

    def require_person(self) -> None:
        """Raises Forbidden for a program: what it gets by a token must not outlive it, nor reach further."""
        if self.by_token:
            raise Forbidden("An API token cannot do this. Sign in as the person whose token it is.")
