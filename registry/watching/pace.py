"""When to send the next poll: one rule for all that poll in a loop."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

FAILURE_SECONDS: Final = 5.0
"""The longest pause after a failed poll."""

EARLY_SECONDS: Final = 1.0
"""The longest pause after a poll that was answered too soon: it may only be a proxy that cuts waits short."""

TOO_SOON_SECONDS: Final = 0.5
"""An answer without news is too soon if it took less, or less than half of a shorter wait."""


class Pace:
    """The pauses between polls: none after news or a real wait, else growing ones.

    Args:
        clock: seconds that only go forward.

    Attributes:
        setbacks: failures and early answers since the last news or real wait.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sent = self._wait = 0.0
        self.setbacks = 0

    def sends(self, wait: float) -> None:
        """A poll is sent that may wait ``wait`` seconds on the server."""
        self._sent, self._wait = self._clock(), wait

    def answered(self, *, news: bool, restarted: bool = False) -> float:
        """Return the seconds to pause after an answer.

        Args:
            news: it brought the caller forward.
            restarted: it had the caller begin anew, which a server must not do at once, time and again.
        """
        took = self._clock() - self._sent
        enough = TOO_SOON_SECONDS if restarted else min(TOO_SOON_SECONDS, self._wait / 2)
        if news or took >= enough > 0:
            self.setbacks = 0
        elif enough > 0:
            return self._setback(EARLY_SECONDS)
        return 0.0

    def failed(self) -> float:
        """Return the seconds to pause after a failure."""
        return self._setback(FAILURE_SECONDS)

    def _setback(self, at_most: float) -> float:
        self.setbacks += 1
        return random.uniform(0.5, 1.0) * min(at_most, 0.05 * 2.0 ** min(self.setbacks, 10))
