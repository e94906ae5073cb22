"""What `resume.analyse` is made of: reading a document, finding its parts, and what they say of a candidate.

`read`, `pdf`, `word` and `layout` run in a process of their own; the rest is plain text work. Nothing here asks a
network but `model`, and that only where an endpoint is configured.
"""
