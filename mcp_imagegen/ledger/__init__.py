"""What calls may cost and what they did cost."""
