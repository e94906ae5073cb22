"""A part of the house that is kept alive: started again with backoff when it dies, stopped when asked."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic

from ui.up.console import Console
from ui.up.process import Child, ending

# A part that lived this long was well; its next death starts the backoff anew.
WELL_AFTER = 20.0
FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
# So many deaths without ever being well, and we say why.
WORRYING = 3

_COULD_NOT_START = 127


class Part:
    """Runs one command for as long as the house stands. A quiet one is heard only when it keeps dying."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str],
        console: Console,
        grace: float,
        quiet: bool = False,
        on_worry: Callable[[str], None] | None = None,
    ) -> None:
        self.name = name
        self.child: Child | None = None
        self._command = command
        self._env = env
        self._console = console
        self._grace = grace
        self._quiet = quiet
        self._on_worry = on_worry or console.say
        self._stopping = asyncio.Event()
        self._last_words: deque[str] = deque(maxlen=15)
        self._life = asyncio.create_task(self._live(), name=f"part {name}")

    async def stop(self) -> None:
        """Ends it, and returns when no process of it is left."""
        self._stopping.set()
        await self._life

    def kill(self) -> None:
        """Ends it at once."""
        self._stopping.set()
        if self.child:
            self.child.kill()

    async def _live(self) -> None:
        deaths = 0
        while not self._stopping.is_set():
            born = monotonic()
            code = await self._one_life()
            if self._stopping.is_set():
                return
            deaths = 1 if monotonic() - born >= WELL_AFTER else deaths + 1
            delay = min(FIRST_DELAY * 2 ** (deaths - 1), LONGEST_DELAY)
            self._console.say(f"{self.name} died ({ending(code)}); starting it again in {delay:g} s")
            if deaths == WORRYING:
                self._on_worry(self._why(code))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _one_life(self) -> int:
        self._last_words.clear()
        try:
            self.child = await Child.start(self._command, env=self._env, on_line=self._heard)
        except OSError as error:
            self._heard(str(error))
            return _COULD_NOT_START
        life = asyncio.create_task(self.child.wait())
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if self._stopping.is_set():
            await self.child.stop(self._grace)
        return await life

    def _heard(self, line: str) -> None:
        self._last_words.append(line)
        if not self._quiet:
            self._console.relay(self.name, line)

    def _why(self, code: int) -> str:
        words = "\n".join(f"    {line}" for line in self._last_words) or "    (nothing)"
        return f"{self.name} keeps dying ({ending(code)}). Its last words:\n{words}"
