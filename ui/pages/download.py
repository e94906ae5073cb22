"""`/jobs/{id}/download`: a completed job's file, by an address that needs no name of it."""

from urllib.parse import quote
from uuid import UUID

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from services.errors import JobReplaced, MulliganError, Unauthenticated
from services.jobs import jobs
from services.jobs.jobs import JobDetail
from ui.pages.plain import not_found
from ui.visit import Web, enter_for_job, to_sign_in


def install(app: FastAPI, web: Web) -> None:
    """Adds the route to the application."""

    @app.get("/jobs/{job_id}/download", include_in_schema=False)
    async def download(request: Request, job_id: str) -> Response:
        try:
            identity = UUID(job_id)
            visit = await enter_for_job(web, request, identity)
            detail = await jobs.job_detail(web.desk, visit.actor, identity)
        except Unauthenticated:
            return to_sign_in(request)
        except JobReplaced as led:
            return RedirectResponse(f"/jobs/{led.data['replaced_by']}/download", status_code=303)
        except (ValueError, MulliganError):
            return not_found("There is no such job here.")
        main = main_file(detail)
        if main is None:
            return RedirectResponse(visit.link(f"/jobs/{identity}"), status_code=303)
        name = quote(main, safe="")
        return RedirectResponse(
            f"/api/jobs/{identity}/artifacts/{name}?w={visit.actor.workspace_slug}", status_code=303
        )


def main_file(detail: JobDetail) -> str | None:
    """The file that somebody wants who just says "Download": the only one, or the one that the result names `file`."""
    names = [artifact.name for artifact in detail.artifacts]
    if len(names) == 1:
        return names[0]
    named = (detail.job.result or {}).get("file")
    return named if named in names else None
