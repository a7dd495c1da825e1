"""Events on their way to the page: in order, in a thread of their own, not too many."""

from __future__ import annotations

import threading
import time

from ra_widgets.events import Cancelled, Preview, Progress, Queued, Started
from ra_widgets.widgets._pump import GAP, EventPump


def test_order_is_kept_and_progress_is_thinned():
    seen, shots = [], []
    pump = EventPump(seen.append, shots.append, lambda error: seen.append(error))
    began = time.monotonic()
    pump.put(Queued(job_id="a"))
    pump.put(Started(job_id="a"))
    count = 0
    while time.monotonic() - began < 0.5:
        count += 1
        pump.put(Progress(job_id="a", step=count))
        pump.put(Preview(job_id="a", data=b"x", index=0, step=count))
        pump.put(Preview(job_id="a", data=b"y", index=1, step=count))
    pump.put(Cancelled(job_id="a"))
    assert pump.wait()
    names = [event.name for event in seen]
    assert names[:2] == ["queued", "started"] and names[-1] == "cancelled"
    steps = [event.step for event in seen if isinstance(event, Progress)]
    assert steps == sorted(steps) and 1 <= len(steps) <= 0.5 / GAP + 2 < count
    assert all(len(group) <= 2 for group in shots) and len(shots) <= len(steps) + 1
    pump.close()


def test_nothing_late_after_the_end():
    seen, shots = [], []
    gate = threading.Event()

    def handle(event):
        gate.wait(5)
        seen.append(event.name)

    pump = EventPump(handle, shots.append, lambda error: None)
    pump.put(Started(job_id="a"))
    pump.put(Preview(job_id="a", data=b"x"))
    pump.put(Progress(job_id="a"))
    pump.put(Cancelled(job_id="a"))
    gate.set()
    assert pump.wait()
    assert seen == ["started", "cancelled"] and shots == []
    pump.close()


def test_a_failure_is_reported_and_the_pump_goes_on():
    failures, seen = [], []

    def handle(event):
        if event.position == 0:
            raise ValueError("x")
        seen.append(event.position)

    pump = EventPump(handle, lambda _: None, failures.append)
    for position in (0, 1):
        pump.put(Queued(job_id="a", position=position))
    assert pump.wait()
    assert seen == [1] and [str(error) for error in failures] == ["x"]
    pump.close()


def test_the_putter_is_never_held_up():
    gate = threading.Event()
    pump = EventPump(lambda _: gate.wait(5), lambda _: None, lambda _: None)
    began = time.monotonic()
    for number in range(1000):
        pump.put(Queued(job_id=str(number)))
    assert time.monotonic() - began < 1
    gate.set()
    pump.close()
    pump.put(Queued(job_id="late"))
