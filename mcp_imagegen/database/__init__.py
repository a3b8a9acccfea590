"""The state of the server: one schema, its engine and its migrations."""
