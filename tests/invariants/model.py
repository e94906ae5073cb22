"""What the engine must do, in plain Python: jobs, their runs, and credits. No database, no clock, no queue.

Each command has two halves: why it must be refused now (codes; empty: it must not be), and what it does.
"""

from tests.invariants.batched import Batched
from tests.invariants.worked import Worked


class Model(Worked, Batched):
    """All there is of a workspace, and everything that may happen there."""
