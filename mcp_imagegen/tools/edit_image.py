"""edit_image: change or combine pictures, optionally only where a mask allows it."""

from ..operations import EditImage
from .answers import PaidAnswer
from .paid import paid
from .tool import SPENDS, Tool

TOOL = Tool("edit_image", "Edit images", EditImage, PaidAnswer, paid, SPENDS)
