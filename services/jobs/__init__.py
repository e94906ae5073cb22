"""Jobs as people and programs handle them: made, found, listed, cancelled, paused, copied, deleted."""
