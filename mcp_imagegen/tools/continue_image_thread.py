"""continue_image_thread: the next turn of a thread, from its newest image or any earlier one."""

from ..operations import ContinueImageThread
from .answers import PaidAnswer
from .paid import paid
from .tool import SPENDS, Tool

TOOL = Tool("continue_image_thread", "Continue an image thread", ContinueImageThread, PaidAnswer, paid, SPENDS)
