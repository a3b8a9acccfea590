"""What a call will cost and what it did cost: pure functions over `prices.toml`. Money is an integer of 10^-9 USD."""
