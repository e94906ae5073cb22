"""The output of a job: a preview of what a browser can show, and each file with a way to have it."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from services.models import Artifact
from ui.components import wording
from ui.components.element import Tag

_PICTURES = {"image/jpeg", "image/png", "image/webp", "image/gif"}
"""Those that hold no script."""


@dataclass(frozen=True)
class FileLinks:
    """Where a file's links lead."""

    job: str
    """The address of the job in the API, without the file."""
    workspace: str
    process: str | None = None
    """The form for a job that works on the file; its name is put at the end. None: there is no such kind here."""

    def file(self, name: str, *, stream: bool = False) -> str:
        """The file itself; streamed from here, also where storage is elsewhere."""
        how = "&stream=1" if stream else ""
        return f"{self.job}/artifacts/{quote(name, safe='')}?w={quote(self.workspace)}{how}"


def draw_files(files: Sequence[Artifact], links: FileLinks) -> None:
    """The preview, and the list."""
    _preview(files, links)
    with Tag("ul", classes="files"):
        for artifact in files:
            with Tag("li", data_icon=_icon(artifact)):
                Tag("span", artifact.name, "name")
                Tag("span", wording.size(artifact.size), "muted num")
                if links.process and _is_media(artifact):
                    Tag(
                        "a", "Process this video", "btn small", href=f"{links.process}{quote(artifact.name, safe='')}",
                        data_icon="movie",
                    )  # fmt: skip
                Tag(
                    "a", "Download", "btn small download", href=links.file(artifact.name), data_icon="download",
                    download=artifact.name, aria_label=f"Download {artifact.name}",
                )  # fmt: skip


def _preview(files: Sequence[Artifact], links: FileLinks) -> None:
    """The first video, else sound, else picture."""
    picture = next((a for a in files if a.content_type in _PICTURES), None)
    media = next((a for tag in ("video/", "audio/") for a in files if a.content_type.startswith(tag)), None)
    if media is None and picture is None:
        return
    with Tag("div", classes="preview"):
        if media is None and picture is not None:
            Tag("img", src=links.file(picture.name, stream=True), alt=picture.name, loading="lazy")
        elif media is not None:
            is_video = media.content_type.startswith("video/")
            poster = links.file(picture.name, stream=True) if is_video and picture else None
            Tag(
                "video" if is_video else "audio", src=links.file(media.name, stream=True), controls=True,
                preload="metadata", poster=poster, aria_label=f"Preview of {media.name}",
            )  # fmt: skip


def _icon(artifact: Artifact) -> str:
    match artifact.content_type.partition("/")[0]:
        case "video":
            return "movie"
        case "audio":
            return "audiotrack"
        case "image":
            return "image"
        case _:
            return "insert_drive_file"


def _is_media(artifact: Artifact) -> bool:
    return artifact.content_type.startswith(("video/", "audio/"))
