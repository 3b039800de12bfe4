"""Energy from counts: pure functions over cost tables, one TOML file a table, each with its citation."""
