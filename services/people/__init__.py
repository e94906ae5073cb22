"""Who is there and who may what: users, members, sessions, passwords, links, tokens, and the `Actor` of every call."""
