"""`python tests/attacks/load.py`: many clients ask the page at once, for a while; says what became of it.

Each has the page explain a drawn picture, again and again; one that finds the queue full waits a second.
"""

import argparse
import statistics
import threading
import time

from demo_server import Server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    waits: list[float] = []
    faults: list[str] = []
    full = 0
    with Server() as server:
        assert server.explained("first")
        begun, memory = server.memory_mb(), [server.memory_mb()]
        end = time.time() + given.seconds

        def client(number: int) -> None:
            nonlocal full
            turn = 0
            while time.time() < end:
                turn, start = turn + 1, time.time()
                try:
                    if server.explained(f"client-{number}-{turn}"):
                        waits.append(time.time() - start)
                    else:
                        full += 1
                        time.sleep(1)
                except Exception as error:
                    faults.append(f"{type(error).__name__}: {error}")

        threads = [threading.Thread(target=client, args=(number,)) for number in range(given.clients)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            time.sleep(1)
            memory.append(server.memory_mb())
        answers = server.get("")[0] == 200 and server.explained("last")
        said = [line for line in server.said.splitlines() if not line.startswith(("note: ", "mmx demo is at"))]
    middle = statistics.median(waits) if waits else float("nan")
    print(f"{given.clients} clients, {given.seconds:.0f} s: {len(waits)} explained (median wait {middle:.1f} s, "
          f"longest {max(waits, default=0):.1f} s), {full} times the queue was full, {len(faults)} faults; "
          f"memory {begun} MB at first, {max(memory)} MB at most, {memory[-1]} MB at last; "
          f"answers afterwards: {answers}; lines on its terminal: {len(said)}")
    for one in sorted({*faults[:5], *said[:5]}):
        print(f"  {one}")


if __name__ == "__main__":
    main()
