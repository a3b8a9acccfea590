"""What each image model takes, and whether a request fits it: pure functions over `models.toml`."""
