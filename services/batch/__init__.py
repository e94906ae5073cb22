"""Many jobs at once, as a job of its own: what it would do, walking the match in chunks, its canary, its report."""
