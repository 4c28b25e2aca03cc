"""What other threads hand to an event loop."""

import asyncio
import threading

from fleetlog.runtime.servers.arrivals import Arrivals

THREADS, EACH = 4, 500


def test_all_that_threads_put_arrives_once_in_the_order_of_each() -> None:
    async def arrived() -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        complete = asyncio.Event()

        def take(some: list[tuple[int, int]]) -> None:
            found.extend(some)
            if len(found) >= THREADS * EACH:
                complete.set()

        arrivals = Arrivals(asyncio.get_running_loop(), take)

        def put(thread: int) -> None:
            for number in range(EACH):
                arrivals.put((thread, number))

        threads = [threading.Thread(target=put, args=(thread,)) for thread in range(THREADS)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(complete.wait(), 10)
        for thread in threads:
            thread.join()
        return found

    found = asyncio.run(arrived())
    for thread in range(THREADS):
        assert [number for one, number in found if one == thread] == list(range(EACH))


def test_what_is_put_while_the_loop_is_busy_arrives_together() -> None:
    async def arrived() -> list[list[int]]:
        found: list[list[int]] = []
        arrivals = Arrivals(asyncio.get_running_loop(), found.append)
        for number in range(3):
            arrivals.put(number)
        await asyncio.sleep(0)
        return found

    assert asyncio.run(arrived()) == [[0, 1, 2]]


def test_a_loop_that_has_ended_takes_nothing_and_the_thread_goes_on() -> None:
    loop = asyncio.new_event_loop()
    found: list[list[int]] = []
    arrivals = Arrivals(loop, found.append)
    loop.close()
    arrivals.put(1)
    assert found == []
