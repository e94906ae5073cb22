"""The supervisor behind `mulligan up`: starts Valkey, the workers and the web, keeps them alive, ends them together.

It runs as a process of its own (`python -m ui.up`) that imports the standard library only, so that what watches the
house weighs next to nothing. Settings are read and checked before, in `ui.cli`, and handed on in the environment.
"""
