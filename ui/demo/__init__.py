"""What `mulligan up --demo` adds: a workspace to play in, and a small server on loopback that misbehaves in ways that a
retry mends. A process of its own, which uses Mulligan from outside, through its API."""
