"""What a worker does: the Taskiq broker, the runner, leases, housekeeping, and one file per job kind in `kinds/`.

`taskiq worker tasks.broker:broker` is the whole of it. It may import `services`, never `ui`.
"""
