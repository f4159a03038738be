from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class Clips:
    address: int
    def __init__(self, sounds: Sequence[NDArray[np.int16]], rate_hz: int, loop: bool) -> None: ...
