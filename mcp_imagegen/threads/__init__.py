"""Threads of images: turns, what they made, and which image the next turn starts from."""
