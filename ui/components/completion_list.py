"""The listbox under a search field, with what the search could go on with."""

from urllib.parse import quote

from nicegui.element import Element


class CompletionList(Element, component="completion_list.js"):
    """Serves the input that stands beside it. What it offers comes from `GET /api/search/completions`."""

    def __init__(self, workspace: str, list_id: str) -> None:
        """`workspace` is whose; `list_id` the id of the list, unique in the page."""
        super().__init__()
        with self._props.suspend_updates():
            self._props.update({"url": f"/api/search/completions?w={quote(workspace)}", "list": list_id})
