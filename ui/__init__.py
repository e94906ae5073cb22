"""The faces of Mulligan: the dashboard, the REST interface, the command line, and the supervisor behind `mulligan up`.

What belongs here shows things and asks `services` to do them; no rule of the house stands here. Only the composition
roots (`ui.app`, `ui.cli`) know the worker.
"""
