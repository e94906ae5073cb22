"""A resume as a recruiter has it: handed in, read, scored; one that cannot be read, and its retry."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.test_looks import require_accessible, require_no_sideways_scrolling
from tests.support import resumes

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
]

WANTED = (
    "We look for a backend developer with Python, FastAPI, Kubernetes, Terraform and Kafka, and at least 6 years of "
    "professional experience. You will build billing services on PostgreSQL and mentor colleagues."
)


async def hand_in(page: Page, path: Path, wanted: str = "") -> None:
    """Fills in the form and starts the job."""
    await page.get_by_label("Choose a file").set_input_files(path)
    await expect(page.get_by_role("status").filter(has_text=f"{path.name} is uploaded")).to_be_attached()
    if wanted:
        await page.get_by_label("Job description").fill(wanted)
    await page.get_by_role("button", name="Start job").click()
    await expect(page).to_have_url(re.compile(r"/jobs/[0-9a-f-]{36}"))


async def test_a_resume_becomes_a_candidate(visit: Open, tmp_path: Path) -> None:
    page = await visit("/new?kind=resume.analyse")
    await hand_in(page, resumes.good_pdf(tmp_path / "thornquist.pdf"), WANTED)
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=90_000)
    await expect(page.get_by_role("heading", name="Amelia Thornquist")).to_be_visible()
    await expect(page.get_by_role("img", name=re.compile(r"^\d+ of 100: fit with the job$"))).to_be_visible()
    matched = page.get_by_role("list", name="Skills that match").get_by_role("listitem")
    await expect(matched.filter(has_text="Kubernetes")).to_be_visible()
    missing = page.get_by_role("list", name="Skills that are missing").get_by_role("listitem")
    assert await missing.all_inner_texts() == ["Terraform", "Apache Kafka"]
    mail = page.get_by_role("link", name="amelia.thornquist@example.org")
    assert await mail.get_attribute("href") == "mailto:amelia.thornquist@example.org"
    await page.get_by_text("As JSON").click()
    await expect(page.get_by_text("offline-1")).to_be_visible()
    await require_accessible(page)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Download profile.json").click()
    assert "Amelia Thornquist" in Path(await (await downloading.value).path()).read_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1360, 390])
async def test_it_looks_right_everywhere(visit: Open, tmp_path: Path, scheme: Any, width: int) -> None:
    page = await visit("/new?kind=resume.analyse", scheme=scheme, width=width)
    await require_accessible(page)
    await hand_in(page, resumes.good_pdf(tmp_path / "a.pdf"), WANTED)
    await expect(page.locator("[data-status=completed]")).to_be_visible(timeout=90_000)
    await expect(page.get_by_role("heading", name="Amelia Thornquist")).to_be_visible()
    await require_accessible(page)
    await require_no_sideways_scrolling(page)


async def test_one_with_a_password_is_explained_and_retried(visit: Open, tmp_path: Path) -> None:
    page = await visit("/new?kind=resume.analyse")
    await hand_in(page, resumes.encrypted_pdf(tmp_path / "locked.pdf"))
    trouble = page.get_by_role("alert").filter(has_text="The PDF is protected by a password")
    await expect(trouble).to_be_visible(timeout=90_000)
    await page.get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading", name="Retry Analysis Job")).to_be_visible()
    await expect(dialog).to_contain_text(
        "The job will be reset and reprocessed from the beginning. Previous analysis data will be cleared."
    )
    await expect(dialog).to_contain_text("The PDF is protected by a password")
    await expect(dialog).to_contain_text("Retry 1 of 3")
    await expect(dialog.get_by_role("button", name="Cancel")).to_be_visible()
    await dialog.get_by_role("button", name="Retry Job").click()
    await expect(page.get_by_role("status").filter(has_text="Job retry started successfully")).to_be_visible()
    await expect(page.get_by_text("1 of 3")).to_be_visible()
    await expect(trouble).to_be_visible(timeout=90_000)
