"""What Mulligan knows. The first line of each package says what belongs inside; what all share stands beside them.

Nothing here imports NiceGUI, FastAPI or Taskiq worker code. What a service needs from outside (a queue that rings
workers) is a protocol of its own, handed in by the composition roots of the web process and the worker as a `Desk`.
"""
