"""What every use of Pillow on other people's bytes needs: silence, few formats, and 16 bits brought to 8."""

import threading
import warnings
from types import TracebackType

from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "AVIF")  # no others: to open EPS, for one, Pillow runs another program
HEIC_FORMAT = "HEIF"  # pillow-heif's name


class _Quiet:
    """Silences what Pillow says of odd metadata and of sizes that are checked here.

    Threads share the filters of `warnings`, and `catch_warnings` of two of them that end in another order than they
    began would leave the one's filters in force for good. So the first that comes sets them, and the last restores.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._caught = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._caught.__exit__(kind, error, at)


quiet = _Quiet()


def reads_heic() -> bool:
    """Whether HEIC pictures can be opened, as the format HEIC_FORMAT. Loads the plugin that does it, in a thread."""
    try:
        import pillow_heif  # late: only the extra `heic` brings it, and few pictures need it
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    return True


def eight_bit(image: Image.Image) -> Image.Image:
    """A picture as it is, or, of 16-bit grey, its upper 8 bits: Pillow's own conversions cut it off at white."""
    if image.mode != "I" and not image.mode.startswith("I;16"):
        return image
    deep = image.convert("I")
    grey = deep.point([level >> 8 for level in range(65_536)], "L")
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    return Image.merge("LA", (grey, deep.point([0 if level == clear else 255 for level in range(65_536)], "L")))
