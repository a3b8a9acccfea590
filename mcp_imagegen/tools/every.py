"""The tools in the order they are listed."""

from . import continue_image_thread, edit_image, estimate_cost, generate_image, get_image_thread
from .tool import Tool

TOOLS: tuple[Tool, ...] = (
    generate_image.TOOL,
    edit_image.TOOL,
    continue_image_thread.TOOL,
    estimate_cost.TOOL,
    get_image_thread.TOOL,
)
