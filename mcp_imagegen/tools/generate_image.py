"""generate_image: new pictures from text."""

from ..operations import GenerateImage
from .answers import PaidAnswer
from .paid import paid
from .tool import SPENDS, Tool

TOOL = Tool("generate_image", "Generate images", GenerateImage, PaidAnswer, paid, SPENDS)
