"""A job runs, and Blender stays the artist's."""

import pytest


@pytest.fixture
def job(window):
    """Id of a fake job, longer than any test, that has taken a step; the test ends with it stopped."""
    python = window.ask("part('addon.job_places').python('fake-job')")
    if window.ask(f"__import__('subprocess').run([{python!r}, '-c', '']).returncode"):
        pytest.skip(f"{python} does not start in the place where this Blender lives")
    window.do(
        "request = part('backend.contract').FakeJob(steps=6000, seconds_per_step=0.1)\n"
        "global job\n"
        "job = part('addon.jobs').submit(request, title='Passing time', wait=False)"
    )
    window.wait_until("part('addon.jobs').get(job).step > 0", seconds=60)
    yield window.ask("job")
    window.do(
        "queue = part('addon.jobs').queue()\n"
        "for record in part('addon.jobs').all_jobs():\n"
        "    if record.state.active:\n"
        "        queue.force(record)"
    )


def state(window):
    return window.ask("part('addon.jobs').get(job).state.value")


def test_progress_is_seen_and_cancel_is_clicked(window, job):
    first = window.ask("part('addon.jobs').get(job).step")
    window.picture("job-running")
    window.wait_until(f"part('addon.jobs').get(job).step > {first}")
    window.click("maquette.cancel_job")
    window.wait_until("not part('addon.jobs').get(job).state.active", seconds=20)
    assert state(window) == "cancelled"
    window.picture("job-cancelled")


def test_work_goes_on_during_a_job(window, job):
    window.click("maquette.add_head")
    window.wait_until("len(bpy.data.objects) == 1")
    window.press("ctrl+z")
    window.wait_until("len(bpy.data.objects) == 0")
    assert state(window) == "running"


def test_a_file_opened_during_a_job_leaves_it_running(window, job):
    window.do("bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)")
    step = window.ask("part('addon.jobs').get(job).step")
    window.wait_until(f"part('addon.jobs').get(job).step > {step} + 2")
    assert state(window) == "running"
