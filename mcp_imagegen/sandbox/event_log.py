"""The events of a response that is streamed in the background, for whoever listens, from wherever, now or later."""

import asyncio
from collections.abc import AsyncIterator

Event = list[bytes]  # an event's pieces on the wire


class EventLog:
    """Numbered from 0 in the order in which they were added."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._ended = False
        self._news = asyncio.Event()

    def __len__(self) -> int:
        """The number of the next event."""
        return len(self._events)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(len(piece) for event in self._events for piece in event)

    def add(self, event: Event) -> None:
        self._events.append(event)
        self._wake()

    def end(self) -> None:
        """No event comes any more."""
        self._ended = True
        self._wake()

    async def after(self, number: int) -> AsyncIterator[Event]:
        """The events after this number: those of the past at once, then each as it comes, to the end."""
        at = number + 1
        while True:
            news = self._news
            while at < len(self._events):
                yield self._events[at]
                at += 1
                news = self._news
            if self._ended:
                return
            await news.wait()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
