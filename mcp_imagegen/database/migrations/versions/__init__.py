"""Each file takes the tables from the revision before it to its own. Once released, a file never changes."""
