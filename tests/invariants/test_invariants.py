"""The engine under random commands, crashes and hold-ups: invariants 1 to 6 of the house hold, on both databases.

`make hunt` looks for longer (`make hunt MINUTES=60`). What it finds is printed step by step, with a line that runs it
again; hypothesis also tries it first the next time.
"""

import os
from functools import partial
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from services.batch import chunk as batch_chunk
from services.retry import awaited
from tests.invariants.house import House
from tests.invariants.machine import Engine

EXAMPLES, STEPS = 7, 40
HUNT_STEPS = 80
FEWEST = 1_500
MINUTES = float(os.environ.get("HUNT_MINUTES", "0"))


@pytest.fixture(autouse=True)
def _step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_chunk, "CHUNK", 2)
    monkeypatch.setattr(awaited, "_AT_ONCE", 1)  # so that the model knows which transaction is about which
    # Like all other times, that of the next look comes when the example says so, however slow the machine is.
    monkeypatch.setattr("services.transitions.retrying.FIRST_LOOK_AGAIN_SECONDS", 86_400)
    monkeypatch.setattr("services.transitions.keeping.FIRST_LOOK_AGAIN_SECONDS", 86_400)
    monkeypatch.setattr("services.transitions.keeping._LONGEST_LOOK_SECONDS", 86_400)


@pytest.mark.timeout(900)  # it takes seconds; what it finds is made small first, and that takes minutes
def test_invariants_hold(database_url: str, redis_url: str, tmp_path: Path) -> None:
    until = monotonic() + MINUTES * 60
    with House(database_url, redis_url, tmp_path) as house:
        while house.steps < FEWEST or monotonic() < until:
            run_state_machine_as_test(
                partial(Engine, house),  # type: ignore[arg-type]  # whatever makes one
                settings=settings(
                    max_examples=EXAMPLES,
                    stateful_step_count=HUNT_STEPS if MINUTES else STEPS,
                    deadline=None,
                    print_blob=True,
                    suppress_health_check=list(HealthCheck),
                    phases=(Phase.reuse, Phase.generate, Phase.shrink),
                ),
            )
        print(f"{house.steps} steps")
