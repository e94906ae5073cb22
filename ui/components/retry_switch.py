"""The switch that holds retries back: what is off and why, and a form to switch more off."""

from collections.abc import Awaitable, Callable, Iterable, Sequence

from nicegui import ui

from services.kinds import JobKind
from services.models import Switch
from ui.components.element import Tag
from ui.components.operations import draw_switches
from ui.components.section import Section

_ALL_KINDS = "All kinds"

Off = Callable[[str | None, str], Awaitable[bool]]
On = Callable[[str | None], Awaitable[None]]


class RetrySwitch:
    """Draws itself in the current slot. `off` is given the kind, or None for all, and the reason."""

    def __init__(self, kinds: Iterable[JobKind], off: Off, on: On) -> None:
        self._off, self._on = off, on
        self._state = Tag("p", "Retries are on.", "muted hidden", data_icon="check_circle")
        self._switches = Section(classes="switches-holder")
        names = [kind.name for kind in kinds if not kind.name.startswith("system.")]
        self._form = Tag("div", classes="switch-form hidden")
        with self._form:
            self._kind = ui.select([_ALL_KINDS, *names], value=_ALL_KINDS, label="Retries of").props(
                "outlined dense options-dense"
            )
            self._reason = ui.input("Reason, shown to whoever would retry").props(
                "outlined dense maxlength=300"
            )
            button = Tag("button", "Switch off", "btn danger", type="button", data_icon="block")
        button.on("click", self._switch_off, args=[])

    def show(self, off: Sequence[Switch], *, may: bool) -> None:
        """What is off; the form for who may change it."""
        key = tuple((one.kind, one.at, may) for one in off)
        self._switches.show(
            key, lambda: draw_switches(off, self._switch_on if may else None), visible=bool(off)
        )
        self._state.dress("muted hidden" if off else "muted set-state")
        self._form.dress("switch-form" if may else "hidden")

    async def _switch_off(self) -> None:
        kind = None if self._kind.value == _ALL_KINDS else str(self._kind.value)
        if await self._off(kind, self._reason.value or ""):
            self._reason.set_value("")

    async def _switch_on(self, kind: str) -> None:
        await self._on(kind or None)
