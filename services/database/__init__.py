"""SQLite and PostgreSQL behind one door: sessions, transactions, group commit, the set-based statements."""
