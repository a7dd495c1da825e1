from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ra_widgets.errors import JobCancelled, JobTimeout, ModelError
from ra_widgets.events import Cancelled, Done, Failed, Preview, Progress, Queued, Started
from ra_widgets.jobs import MAX_PAST, Job, JobQueue
from ra_widgets.requests import TextToImage
from ra_widgets.results import Result


def job_with(*kinds) -> Job:
    job = Job(TextToImage())
    for kind in kinds:
        job.emit(kind)
    return job


def run_async(coroutine):
    """Run a coroutine in a thread of its own: the browser tests keep an event loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result(60)


def result_of(job: Job) -> Result:
    return Result(job.request, (), 0.0, job.id)


def test_states():
    job = Job(TextToImage())
    assert job.state == "queued"
    job.emit(Started(job_id=job.id))
    assert job.state == "running" and not job.done
    job.emit(Done(job_id=job.id, result=result_of(job)))
    assert job.state == "done" and job.done
    assert not job.cancel()


def test_late_subscriber_sees_the_past_with_the_newest_preview():
    job = Job(TextToImage())
    job.emit(Queued(job_id=job.id))
    for step in range(5):
        job.emit(Progress(job_id=job.id, step=step, steps=5))
        job.emit(Preview(job_id=job.id, data=b"x" * step, step=step))
    job.emit(Done(job_id=job.id, result=result_of(job)))
    names = [event.name for event in job.events()]
    assert names == ["queued", "progress", "progress", "progress", "progress", "progress", "preview", "done"]
    assert next(e for e in job.events() if isinstance(e, Preview)).step == 4


def test_memory_of_the_past_is_bounded():
    job = Job(TextToImage())
    for step in range(MAX_PAST + 50):
        job.emit(Progress(job_id=job.id, step=step))
    job.emit(Done(job_id=job.id, result=result_of(job)))
    assert len(list(job.events())) < MAX_PAST + 50


def test_events_are_followed_live_from_another_thread():
    job = Job(TextToImage())
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(event.name for event in job.events()))
    reader.start()
    job.emit(Started(job_id=job.id))
    job.emit(Progress(job_id=job.id))
    job.emit(Cancelled(job_id=job.id))
    reader.join(10)
    assert seen == ["started", "progress", "cancelled"]


def test_await_and_async_events():
    job = Job(TextToImage())

    async def main() -> list[str]:
        async def work() -> None:
            for event in (Started(job_id=job.id), Progress(job_id=job.id), Done(job_id=job.id, result=result_of(job))):
                await asyncio.to_thread(job.emit, event)

        task = asyncio.create_task(work())
        names = [event.name async for event in job.events()]
        result = await job
        await task
        assert isinstance(result, Result)
        return names

    assert run_async(main()) == ["started", "progress", "done"]


def test_cancelling_the_awaiting_task_cancels_the_job():
    job = Job(TextToImage())
    job.emit(Started(job_id=job.id))

    async def main() -> None:
        async def wait() -> None:
            await job

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_async(main())
    assert job.cancelled


def test_result_raises_what_happened():
    failed = Job(TextToImage())
    failed.emit(Failed(job_id=failed.id, error=ModelError("model.missing", path="x")))
    with pytest.raises(ModelError):
        failed.result()
    cancelled = Job(TextToImage())
    cancelled.emit(Cancelled(job_id=cancelled.id, partial=result_of(cancelled)))
    with pytest.raises(JobCancelled) as caught:
        cancelled.result()
    assert caught.value.partial is not None
    with pytest.raises(JobTimeout):
        Job(TextToImage()).result(timeout=0.01)


def test_keyboard_interrupt_cancels(monkeypatch):
    job = Job(TextToImage())
    job.emit(Started(job_id=job.id))

    def interrupted(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(job._changed, "wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        job.result()
    assert job.cancelled


def test_cancel_while_waiting_ends_at_once_and_is_passed_over():
    queue = JobQueue()
    first, second = Job(TextToImage()), Job(TextToImage())
    queue.put(first)
    queue.put(second)
    assert [e.position for e in second.events() if isinstance(e, Queued)] if second.cancel() else False
    assert second.state == "cancelled"
    assert queue.waiting() == [first]
    assert queue.get() is first
    queue.close()
    assert queue.get() is None
    with pytest.raises(RuntimeError):
        queue.put(Job(TextToImage()))


def test_listener_failures_are_contained():
    job = Job(TextToImage())
    seen: list[str] = []
    job.add_listener(lambda event: 1 / 0)
    remove = job.add_listener(lambda event: seen.append(event.name))
    job.emit(Started(job_id=job.id))
    remove()
    job.emit(Progress(job_id=job.id))
    assert seen == ["started"]


def test_nothing_follows_the_final_event():
    job = Job(TextToImage())
    job.emit(Cancelled(job_id=job.id))
    job.emit(Done(job_id=job.id, result=result_of(job)))
    assert job.state == "cancelled"
