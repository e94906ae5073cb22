"""The kinds of jobs that come with Mulligan, one file each: arguments, policy, and what a run does.

The web process imports these files for their policies; engines are imported inside the run.
"""

BUILT_IN = (
    "tasks.kinds.video_process",
    "tasks.kinds.video_download",
    "tasks.kinds.video_metadata",
    "tasks.kinds.resume_analyse",
    "tasks.kinds.webhook_deliver",
    "tasks.kinds.file_download",
    "tasks.kinds.batch",
)
