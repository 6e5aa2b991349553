"""What is kept: pacha.db (SQLite) and the repositories (Mercurial)."""
