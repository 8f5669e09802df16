"""One dispatcher put together: its workers share what there is to do."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Barrier, Thread

import httpx
import pytest
from console_world import World
from dispatcher_world import Answering


class Together:
    """A WhatsApp that answers only when two wait for it at the same time."""

    def __init__(self) -> None:
        self._both = Barrier(2)
        self._numbers = count()
        self.asked: Counter[str] = Counter()

    def post(self, path: str, headers: object, body: bytes) -> Callable[[], tuple[int, bytes]]:
        self.asked[path.rpartition("/")[2]] += 1

        def wait() -> tuple[int, bytes]:
            self._both.wait(20)
            number = next(self._numbers)
            return 200, json.dumps({"id": f"{number}", "messages": [{"id": f"wamid.{number}"}]}).encode()

        return wait

    def close(self) -> None:
        """Nothing is open."""


def test_a_worker_goes_on_while_another_waits_for_whatsapp(tmp_path: Path) -> None:
    """An answer takes a third of a second, in which a dispatcher with a backlog has other cases to write down."""
    whatsapp = Together()
    world = World(tmp_path, line=whatsapp, whatsapp={"at_once": 2})
    for number in (1, 2):
        world.deliver(number)
    dispatcher = world.dispatcher
    threads = [Thread(target=worker.run, args=(dispatcher.stop, dispatcher.wake)) for worker in dispatcher.workers]
    for thread in threads:
        thread.start()
    for _ in range(200):
        if all(case["state"] == "accepted" for case in world.cases()):
            break
        dispatcher.stop.wait(0.1)
    dispatcher.halt()
    for thread in threads:
        thread.join()
    assert [case["state"] for case in world.cases()] == ["accepted", "accepted"]
    assert whatsapp.asked == {"media": 2, "messages": 2}
    world.close()


@pytest.mark.parametrize(("at_once", "sent"), [(1, 1), (2, 2), (9, 8)])
def test_the_workers_together_have_no_more_requests_under_way_than_configured(
    tmp_path: Path, at_once: int, sent: int
) -> None:
    """A dispatcher that is killed leaves no more cases unknown than its operator agreed to."""
    asked: list[httpx.Request] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(500)

    world = World(tmp_path, line=Answering(refuse), whatsapp={"at_once": at_once})
    for number in range(1, 13):
        world.deliver(number)
    for worker in world.dispatcher.workers:
        worker.step()
    assert len(asked) == sent
    world.close()
