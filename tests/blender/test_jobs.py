"""Jobs inside Blender: results arrive once, in one undo step, whatever happened to the scene meanwhile."""

import os
import shutil
import sys
import time

import bpy
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def jobs(maquette_part, tmp_path, monkeypatch):
    """addon.jobs with a job folder of its own and this Python as the backend's; nothing survives the test."""
    monkeypatch.setenv("MAQUETTE_BACKEND_PYTHON", sys.executable)
    module, handlers = maquette_part("addon.jobs"), maquette_part("addon.job_handlers")
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "jobs")
    for registry in (handlers.results, handlers.previews, handlers.failures):
        monkeypatch.delitem(registry, "fake-job", raising=False)
    module.queue()
    yield module
    for record in module.all_jobs():
        if record.state.active:
            module.queue().force(record)
    module.release_backend()
    for registry in (handlers.results, handlers.previews, handlers.failures):
        registry.pop("fake-job", None)
    maquette_part("addon.job_places").preferences().job_place = ""


@pytest.fixture
def fake(maquette_part):
    return maquette_part("backend.contract").FakeJob


def until(jobs, condition, seconds=60.0):
    """Poll as the timer does, which never fires without an event loop; returns the longest poll in seconds."""
    end, longest = time.monotonic() + seconds, 0.0
    while not condition():
        assert time.monotonic() < end, [(r.state, r.stage, r.step, r.message) for r in jobs.all_jobs()]
        began = time.perf_counter()
        jobs.poll()
        longest = max(longest, time.perf_counter() - began)
        time.sleep(0.02)
    return longest


def receive_empty(jobs, arrivals):
    """Results become an empty object that carries the job's id."""

    @jobs.on_result("fake-job")
    def bring_in(job, result):
        arrivals.append(result["steps"])
        empty = bpy.data.objects.new("Counted", None)
        empty["maquette_job"] = job.id
        bpy.context.scene.collection.objects.link(empty)
        target = bpy.data.objects.get(job.context.get("target", ""))
        if target is not None:
            empty.parent = target


def made_by(job_id):
    return [obj for obj in bpy.data.objects if obj.get("maquette_job") == job_id]


def test_in_background_mode_it_blocks_prints_and_brings_the_result_in(jobs, fake, capsys):
    arrivals = []
    receive_empty(jobs, arrivals)
    identity = jobs.submit(fake(steps=5, seconds_per_step=0.02), title="Count")
    assert arrivals == [5] and len(made_by(identity)) == 1
    assert "Maquette: Count: Counting" in capsys.readouterr().out
    assert jobs.get(identity).state == "done"


def test_in_background_mode_a_failure_is_raised_as_a_sentence(jobs, fake):
    with pytest.raises(Exception, match="was asked to fail") as caught:
        jobs.submit(fake(behaviour="fail", seconds_per_step=0), title="Count")
    assert caught.type.__name__ == "MaquetteError"


def test_a_result_arrives_once_in_one_undo_step(jobs, fake):
    arrivals = []
    receive_empty(jobs, arrivals)
    bpy.ops.ed.undo_push(message="before")
    identity = jobs.submit(fake(steps=2, seconds_per_step=0), title="Count", wait=False)
    until(jobs, lambda: jobs.get(identity).state == "done")
    for _ in range(5):
        jobs.poll()
    assert arrivals == [2] and len(made_by(identity)) == 1
    bpy.ops.ed.undo()
    assert not made_by(identity)
    jobs.poll()
    assert arrivals == [2], "undone means undone"
    jobs.bring_in(jobs.get(identity))
    assert len(made_by(identity)) == 1


@pytest.mark.parametrize("behaviour", ["well", "flood"])
def test_the_timer_never_holds_blender_up(jobs, fake, behaviour):
    identity = jobs.submit(fake(steps=40, seconds_per_step=0.02, behaviour=behaviour), title="Count", wait=False)
    polls = []
    while jobs.get(identity).state.active:
        began = time.perf_counter()
        jobs.poll()
        polls.append(time.perf_counter() - began)
        time.sleep(0.01)
    polls.sort()
    assert len(polls) > 20
    # A busy machine may take the processor away in the middle of any one poll, so not the very longest.
    assert polls[int(len(polls) * 0.95)] < 0.01, polls[-5:]


def test_a_file_loaded_during_a_job_does_not_receive_its_result_unasked(jobs, fake, tmp_path):
    arrivals = []
    receive_empty(jobs, arrivals)
    mine, other = str(tmp_path / "mine.blend"), str(tmp_path / "other.blend")
    bpy.ops.wm.save_as_mainfile(filepath=other)
    bpy.ops.wm.save_as_mainfile(filepath=mine)
    identity = jobs.submit(fake(steps=10, seconds_per_step=0.02), title="Count", wait=False)
    bpy.ops.wm.open_mainfile(filepath=other)
    until(jobs, lambda: jobs.get(identity).held)
    assert not arrivals and "mine.blend" in jobs.get(identity).message
    bpy.ops.wm.open_mainfile(filepath=mine)
    until(jobs, lambda: jobs.get(identity).state == "done")
    assert len(made_by(identity)) == 1


def test_one_unsaved_file_does_not_receive_what_another_asked_for(jobs, fake):
    arrivals = []
    receive_empty(jobs, arrivals)
    identity = jobs.submit(fake(steps=10, seconds_per_step=0.02), title="Count", wait=False)
    token = jobs.get(identity).file_token
    assert token and bpy.context.scene["maquette_file"] == token
    bpy.ops.wm.read_homefile(use_empty=True)
    until(jobs, lambda: jobs.get(identity).held)
    assert not arrivals and "an unsaved file" in jobs.get(identity).message
    # As when Blender recovers the unsaved file: it has no name again, but what was in it.
    bpy.context.scene["maquette_file"] = token
    jobs._file_loaded()
    until(jobs, lambda: jobs.get(identity).state == "done")
    assert arrivals == [10]


def test_a_held_result_can_be_brought_in_anywhere(jobs, fake, tmp_path):
    arrivals = []
    receive_empty(jobs, arrivals)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "mine.blend"))
    identity = jobs.submit(fake(steps=2, seconds_per_step=0.01), title="Count", wait=False)
    bpy.ops.wm.read_homefile(use_empty=True)
    until(jobs, lambda: jobs.get(identity).held)
    assert bpy.ops.maquette.bring_in_job(job=identity) == {"FINISHED"}
    assert len(made_by(identity)) == 1


def test_saving_under_a_name_during_a_job_keeps_it_with_its_file(jobs, fake, tmp_path):
    arrivals = []
    receive_empty(jobs, arrivals)
    identity = jobs.submit(fake(steps=10, seconds_per_step=0.02), title="Count", wait=False)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "named.blend"))
    until(jobs, lambda: jobs.get(identity).state == "done")
    assert arrivals == [10] and jobs.get(identity).file.endswith("named.blend")


def test_undo_during_a_job(jobs, fake):
    arrivals = []
    receive_empty(jobs, arrivals)
    bpy.ops.ed.undo_push(message="before")
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Target", None))
    bpy.ops.ed.undo_push(message="target")
    identity = jobs.submit(
        fake(steps=10, seconds_per_step=0.02), title="Count", context_ids={"target": "Target"}, wait=False
    )
    until(jobs, lambda: jobs.get(identity).step > 1)
    bpy.ops.ed.undo()
    assert "Target" not in bpy.data.objects
    until(jobs, lambda: jobs.get(identity).state == "done")
    (counted,) = made_by(identity)
    assert counted.parent is None


def test_objects_renamed_or_deleted_during_a_job(jobs, fake):
    arrivals = []
    receive_empty(jobs, arrivals)
    for name, change in (("A", lambda o: setattr(o, "name", "Other")), ("B", bpy.data.objects.remove)):
        bpy.context.scene.collection.objects.link(bpy.data.objects.new(name, None))
        identity = jobs.submit(
            fake(steps=3, seconds_per_step=0.02), title="Count", context_ids={"target": name}, wait=False
        )
        change(bpy.data.objects[name])
        until(jobs, lambda identity=identity: jobs.get(identity).state == "done")
        assert len(made_by(identity)) == 1


def test_a_handler_that_fails_leaves_a_sentence_and_the_result(jobs, fake, maquette_part):
    errors = maquette_part("backend.errors")
    arrivals = []

    @jobs.on_result("fake-job")
    def bring_in(job, result):
        arrivals.append(result)
        if len(arrivals) == 1:
            raise errors.HeadError("The head is gone; choose another.")
        if len(arrivals) == 2:
            raise KeyError("head")

    identity = jobs.submit(fake(steps=1, seconds_per_step=0), title="Count", wait=False)
    until(jobs, lambda: jobs.get(identity).held)
    assert jobs.get(identity).message == "The head is gone; choose another."
    with pytest.raises(RuntimeError, match="could not be brought in"):
        bpy.ops.maquette.bring_in_job(job=identity)
    assert bpy.ops.maquette.bring_in_job(job=identity) == {"FINISHED"}
    assert len(arrivals) == 3 and jobs.get(identity).state == "done"


def test_a_result_that_failed_to_arrive_is_still_there_after_a_restart(jobs, fake):
    def fail(job, result):
        raise KeyError("head")

    jobs.on_result("fake-job")(fail)
    identity = jobs.submit(fake(steps=1, seconds_per_step=0), title="Count", wait=False)
    until(jobs, lambda: jobs.get(identity).held)
    jobs.unregister()
    jobs.register()
    arrivals = []
    receive_empty(jobs, arrivals)
    for _ in range(5):
        jobs.poll()
    record = jobs.get(identity)
    assert record.state == "ready" and record.held and not arrivals, "not by itself: it may have ended Blender"
    assert "Bring In" in record.message
    bpy.ops.maquette.clear_jobs()
    assert record.folder.is_dir()
    assert bpy.ops.maquette.bring_in_job(job=identity) == {"FINISHED"}
    assert arrivals == [1]
    jobs.unregister()
    jobs.register()
    assert jobs.get(identity).state == "done"


def test_a_job_whose_folder_was_deleted_does_not_resume(jobs, fake):
    identity = jobs.submit(fake(steps=1000, seconds_per_step=0.02), title="Count", wait=False)
    record = jobs.get(identity)
    until(jobs, lambda: record.step > 1)
    jobs.queue().force(record)
    shutil.rmtree(record.folder)
    with pytest.raises(RuntimeError, match="The folder of “Count” is gone"):
        bpy.ops.maquette.resume_job(job=identity)
    assert record.state == "cancelled"
    assert bpy.ops.maquette.remove_job(job=identity) == {"FINISHED"}


def test_a_set_up_is_not_resumed_offline_or_under_a_running_job(jobs, fake, maquette_part, tmp_path):
    contract, State = maquette_part("backend.contract"), maquette_part("addon.job_record").State
    request = contract.SetUpBackend(place=tmp_path / "backend", lock=tmp_path / "lock.txt", torch="cpu", extra_index="")
    identity, folder = jobs.prepare("fake-job")
    record = maquette_part("addon.job_record").JobRecord(
        identity, request.kind, folder, contract.encode(request), "Set up the backend", state=State.FAILED
    )
    jobs.queue().records[identity] = record
    system = bpy.context.preferences.system
    online, system.use_online_access = system.use_online_access, False
    try:
        with pytest.raises(RuntimeError, match="Allow Online Access"):
            bpy.ops.maquette.resume_job(job=identity)
        system.use_online_access = True
        jobs.submit(fake(steps=1000, seconds_per_step=0.02), title="Count", wait=False)
        with pytest.raises(RuntimeError, match="still running"):
            bpy.ops.maquette.resume_job(job=identity)
    finally:
        system.use_online_access = online
    assert record.state == "failed"


def test_previews_arrive_while_it_runs_and_a_broken_handler_stops_nothing(jobs, fake):
    shown = []

    @jobs.on_preview("fake-job")
    def show(job, preview):
        shown.append((preview["name"], preview["path"].read_text()))
        raise ValueError("no such collection")

    jobs.submit(fake(steps=1, seconds_per_step=0), title="Count")
    assert shown == [("counted", "1")]


def test_operators_cancel_resume_force_show_the_log_and_remove(jobs, fake):
    identity = jobs.submit(fake(steps=1000, seconds_per_step=0.02), title="Count", wait=False)
    record = jobs.get(identity)
    until(jobs, lambda: record.step > 1)
    with pytest.raises(RuntimeError, match="still running"):
        bpy.ops.maquette.remove_job(job=identity)
    assert bpy.ops.maquette.cancel_job(job=identity) == {"FINISHED"}
    until(jobs, lambda: record.state == "cancelled")
    jobs.resume(record, wait=False)
    until(jobs, lambda: record.step > 3)
    assert bpy.ops.maquette.force_stop_job(job=identity) == {"FINISHED"}
    assert record.state == "cancelled"
    assert bpy.ops.maquette.show_job_log(job=identity) == {"FINISHED"}
    assert "Counting" in bpy.data.texts["Count log"].as_string()
    assert bpy.ops.maquette.remove_job(job=identity) == {"FINISHED"}
    assert not record.folder.exists()
    with pytest.raises(RuntimeError, match="no longer there"):
        bpy.ops.maquette.cancel_job(job=identity)


def test_interactive_requests_share_a_warm_worker_that_comes_back_when_killed(jobs, maquette_part, fake):
    warm = jobs.warm()
    answers = []
    handlers = maquette_part("addon.job_handlers")
    handlers.results["fake-job"] = lambda job, result: answers.append(result["steps"])
    for steps in (1, 2):
        jobs.ask(fake(steps=steps, seconds_per_step=0), wait=False)
        until(jobs, lambda: not warm.busy)
        (warm.folder / "fake-job" / "checkpoint.json").unlink()
    first = warm._worker.pid
    jobs.ask(fake(steps=500, seconds_per_step=0.02), wait=False)
    jobs.ask(fake(steps=501, seconds_per_step=0.02), wait=False)
    jobs.ask(fake(steps=3, seconds_per_step=0), wait=False)
    until(jobs, lambda: not warm.busy)
    assert len(answers) == 3, "the newest takes the place of those before it"
    assert warm._worker.pid == first
    os.kill(first, 9)
    until(jobs, lambda: warm._worker is None)
    (warm.folder / "fake-job" / "checkpoint.json").unlink()
    jobs.ask(fake(steps=4, seconds_per_step=0), wait=False)
    until(jobs, lambda: not warm.busy)
    assert answers[-1] == 4 and warm._worker.pid != first


def test_the_warm_worker_follows_the_job_folder(jobs, maquette_part, fake, tmp_path):
    arrivals = []
    receive_empty(jobs, arrivals)
    before = jobs.warm()
    jobs.ask(fake(steps=2, seconds_per_step=0.2), wait=False)
    maquette_part("addon.job_places").preferences().job_place = str(tmp_path / "elsewhere")
    assert jobs.warm() is before, "not while it has something to do"
    until(jobs, lambda: arrivals == [2])
    assert jobs.warm().folder == tmp_path / "elsewhere" / "interactive"
    jobs.ask(fake(steps=1, seconds_per_step=0.0), wait=False)
    until(jobs, lambda: arrivals == [2, 1])
    assert (tmp_path / "elsewhere" / "interactive" / "fake-job").is_dir()


def test_a_warm_worker_that_dies_or_fails_ends_in_a_sentence(jobs, fake):
    failures = []
    jobs.on_failure("fake-job")(lambda job: failures.append(job.message))
    for behaviour in ("kill", "fail"):
        jobs.ask(fake(steps=5, seconds_per_step=0, behaviour=behaviour), wait=False)
        until(jobs, lambda: not jobs.warm().busy)
        checkpoint = jobs.warm().folder / "fake-job" / "checkpoint.json"
        checkpoint.unlink(missing_ok=True)
    assert "killed" in failures[0] and "was asked to fail" in failures[1]


def test_files_can_be_laid_into_a_job_before_it_begins(jobs, fake):
    identity, folder = jobs.prepare("fake-job")
    (folder / "checkpoint.json").write_text('{"step": 2}')
    assert jobs.submit(fake(steps=3, seconds_per_step=0), title="Count", job_id=identity) == identity
    assert jobs.queue().result(jobs.get(identity))["resumed_at"] == 2


def test_without_a_backend_there_is_a_sentence(jobs, fake, monkeypatch):
    monkeypatch.delenv("MAQUETTE_BACKEND_PYTHON")
    with pytest.raises(Exception, match="not set up yet"):
        jobs.submit(fake(), title="Count")


def test_disabling_the_extension_ends_its_jobs_and_enabling_finds_them(jobs, fake):
    identity = jobs.submit(fake(steps=10_000, seconds_per_step=0.02), title="Count", wait=False)
    until(jobs, lambda: jobs.get(identity).step > 1)
    folder = jobs.get(identity).files
    jobs.unregister()
    end = time.monotonic() + 30
    while folder.holder():
        assert time.monotonic() < end
        time.sleep(0.05)
    jobs.register()
    assert jobs.get(identity).state in ("interrupted", "cancelled")
    jobs.resume(jobs.get(identity), wait=False)
    until(jobs, lambda: jobs.get(identity).step > 3)


def test_a_detached_job_goes_on_when_blender_closes_and_the_next_one_receives_it(jobs, fake):
    arrivals = []
    receive_empty(jobs, arrivals)
    identity = jobs.submit(fake(steps=60, seconds_per_step=0.05), title="Count", detached=True, wait=False)
    until(jobs, lambda: jobs.get(identity).step > 1)
    folder = jobs.get(identity).files
    jobs.unregister()
    assert folder.holder(), "it goes on with nobody there"
    jobs.register()
    assert jobs.get(identity).state == "running"
    until(jobs, lambda: jobs.get(identity).state == "done")
    assert arrivals == [60] and len(made_by(identity)) == 1
