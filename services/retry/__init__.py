"""Another chance: its plan, its preparation, carrying it out exactly once, and whose place a new record takes."""
