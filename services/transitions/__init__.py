"""The transitions of a job, by who makes them. Asked for through `services/lifecycle.py`, the one door, alone."""
