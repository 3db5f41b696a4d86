"""Setting the backend up from the preferences: every failure is a sentence, and one real environment is made."""

import os
import stat
import sys
from pathlib import Path

import bpy
import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand in for Pythons")


BACKEND = os.environ.get("MAQUETTE_BACKEND_PYTHON")


@pytest.fixture
def preferences(maquette_part, tmp_path, monkeypatch):
    """The extension's preferences, with places of their own; what was changed is put back."""
    monkeypatch.delenv("MAQUETTE_BACKEND_PYTHON", raising=False)
    chosen = maquette_part("addon.job_places").preferences()
    chosen.job_place, chosen.backend_place = str(tmp_path / "jobs"), str(tmp_path / "backend")
    jobs = maquette_part("addon.jobs")
    jobs.queue()
    online = bpy.context.preferences.system.use_online_access
    bpy.context.preferences.system.use_online_access = True
    yield chosen
    jobs.release_backend()
    for name in ("job_place", "backend_place", "backend_source", "existing_python", "base_source", "base_python"):
        chosen.property_unset(name)
    chosen.property_unset("torch_build")
    bpy.context.preferences.system.use_online_access = online


def program(path: Path, text: str, shell: str = "sh") -> str:
    path.write_text(f"#!/usr/bin/env {shell}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def refused(operator) -> str:
    """The sentence that an operator reports."""
    with pytest.raises(RuntimeError) as caught:
        operator()
    message = str(caught.value)
    assert "Traceback" not in message
    return message


def test_blenders_own_python_is_found(preferences, maquette_part):
    places = maquette_part("addon.job_places")
    assert places.base_python() == Path(sys.executable)


def test_without_the_network_there_is_a_sentence(preferences):
    bpy.context.preferences.system.use_online_access = False
    assert "Allow Online Access" in refused(bpy.ops.maquette.set_up_backend)


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("", "Name the Python to make it with"),
        ("/nowhere/python", "There is no Python to make it with at /nowhere/python"),
        ("/tmp", "is a folder"),
        (__file__, "is not a program"),
    ],
)
def test_another_python_that_is_none(preferences, python, sentence):
    preferences.base_source, preferences.base_python = "OTHER", python
    assert sentence in refused(bpy.ops.maquette.set_up_backend)


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo 3 9", "needs Python 3.11 to 3.13, and"),
        ("echo 3 14", "is 3.14; name another"),
        ("exit 9", "does not answer as a Python"),
        ("echo Get Python from the Store", "does not answer as a Python"),
    ],
)
def test_another_python_that_will_not_do(preferences, tmp_path, script, sentence):
    preferences.base_source, preferences.base_python = "OTHER", program(tmp_path / "python", script)
    assert sentence in refused(bpy.ops.maquette.set_up_backend)


@pytest.mark.parametrize(
    ("venv", "sentence"),
    [
        ("echo 'Error: [Errno 28] No space left on device'; exit 1", "The disk filled up"),
        ("echo 'ensurepip is not available'; exit 1", "without pip"),
        ("echo 'OSError: [Errno 13] Permission denied'; exit 1", "cannot be written"),
        ("echo 'something new'; exit 1", "could not be made (something new)"),
        ("kill -9 $PPID", "was killed"),
    ],
)
def test_a_set_up_that_fails_on_the_way_ends_in_a_sentence(preferences, maquette_part, tmp_path, venv, sentence):
    # This Python under another name, which it then calls itself by when it makes the environment.
    python = tmp_path / "python"
    real = Path(sys.executable).resolve()
    script = f'if [ "$2" = venv ]; then {venv}; fi\nexec -a {python} {real} "$@"'
    preferences.base_source, preferences.base_python = "OTHER", program(python, script, shell="bash")
    assert sentence in refused(bpy.ops.maquette.set_up_backend)
    job = maquette_part("addon.backend_check").job()
    assert sentence in job.message and job.state.resumable
    assert not maquette_part("addon.job_places").backend().exists
    assert bpy.ops.maquette.show_job_log(job=job.id) == {"FINISHED"}


def test_a_backend_is_set_up_checked_repaired_and_removed(preferences, maquette_part, tmp_path, monkeypatch):
    check, places, jobs = map(maquette_part, ("addon.backend_check", "addon.job_places", "addon.jobs"))
    contract, environments = maquette_part("backend.contract"), maquette_part("addon.backend_environment")
    lock = tmp_path / "lock.txt"
    lock.write_text("# no packages\n")
    monkeypatch.setattr(environments, "LOCK", lock)
    with pytest.raises(Exception, match="not set up yet"):
        places.python("fake-job")
    assert bpy.ops.maquette.set_up_backend() == {"FINISHED"}
    environment = places.backend()
    assert environment.problem() == "" and check.job().state == "done"
    assert places.python("fake-job") == str(environment.python)
    identity = jobs.submit(contract.FakeJob(steps=1, seconds_per_step=0), title="Count")
    assert jobs.queue().result(jobs.get(identity))["steps"] == 1

    # No PyTorch is in it, and the check says so in words.
    assert "lacks torch" in refused(bpy.ops.maquette.check_backend)
    assert any("lacks torch" in sentence for sentence, _ in check.found())

    lock.write_text("# no packages either\n")
    assert "needs other packages now" in environment.problem()
    assert bpy.ops.maquette.remove_backend() == {"FINISHED"}
    assert not environment.exists and not bpy.ops.maquette.remove_backend.poll()


def test_a_drive_that_is_not_there_is_said(preferences, maquette_part, monkeypatch):
    check = maquette_part("addon.backend_check")
    assert "GB are free" in check.room("cpu")
    monkeypatch.setattr(Path, "exists", lambda *_, **__: False)
    assert "is not there" in check.room("cpu") and "GB of disk" in check.room("cpu")


def test_nothing_is_changed_under_a_running_job(preferences, maquette_part, monkeypatch):
    monkeypatch.setenv("MAQUETTE_BACKEND_PYTHON", sys.executable)
    jobs, contract = maquette_part("addon.jobs"), maquette_part("backend.contract")
    identity = jobs.submit(contract.FakeJob(steps=10_000), title="Count", wait=False)
    assert "still running" in refused(bpy.ops.maquette.set_up_backend)
    jobs.queue().force(jobs.get(identity))


def test_an_existing_environment_is_used_and_checked(preferences, maquette_part):
    places = maquette_part("addon.job_places")
    preferences.backend_source = "EXISTING"
    assert "Name the existing environment" in refused(bpy.ops.maquette.check_backend)
    preferences.existing_python = sys.executable
    assert places.python("fake-job") == sys.executable


@pytest.mark.skipif(BACKEND is None, reason="MAQUETTE_BACKEND_PYTHON names no environment with PyTorch")
def test_the_check_says_what_is_there(preferences, maquette_part, monkeypatch):
    # Compiled files from where they are: compiling PyTorch anew would be most of this test's time.
    supervisor = maquette_part("addon.supervisor")
    real = supervisor.environment

    def environment(cache):
        return {name: value for name, value in real(cache).items() if name != "PYTHONPYCACHEPREFIX"}

    monkeypatch.setattr(supervisor, "environment", environment)
    preferences.backend_source, preferences.existing_python = "EXISTING", BACKEND
    assert bpy.ops.maquette.check_backend() == {"FINISHED"}
    found = " ".join(sentence for sentence, _ in maquette_part("addon.backend_check").found())
    assert "PyTorch 2." in found and "Device: " in found and "PyTorch3D" in found


def test_the_panels_draw_every_state(preferences, maquette_part, monkeypatch):
    """Drawn into a layout that only notes what is asked of it."""
    monkeypatch.setenv("MAQUETTE_BACKEND_PYTHON", sys.executable)
    record, panel = maquette_part("addon.job_record"), maquette_part("panels.jobs")
    for state in record.State:
        layout = NotingLayout()
        job = record.JobRecord("id", "fake-job", Path("x"), {}, "Count", state=state, stage="Counting", step=2, total=4)
        job.message, job.seconds_left, job.held, job.warnings = "A sentence.", 12.0, True, ["A warning."]
        panel.draw_job(layout, job, bpy.context)
        assert "Count" in layout.texts, state
        buttons = {
            "queued": {"Cancel"}, "running": {"Cancel"}, "stopping": {"Cancel", "Force Stop"}, "ready": {"Bring In"},
            "done": set(), "failed": {"Resume"}, "cancelled": {"Resume"}, "interrupted": {"Resume"},
        }[state]  # fmt: skip
        assert buttons == layout.buttons - {"maquette.show_job_log", "maquette.remove_job"}


class NotingLayout:
    """Takes every call that a layout takes."""

    def __init__(self, root=None):
        root = root or self
        self.texts, self.buttons = (root.texts, root.buttons) if root is not self else (set(), set())

    def row(self, **_):
        return NotingLayout(self)

    column = box = row

    def label(self, text="", **_):
        self.texts.add(text)

    def progress(self, factor, text="", **_):
        assert 0 <= factor <= 1
        self.texts.add(text)

    def operator(self, name, text=None, **_):
        getattr(bpy.ops, name.split(".")[0])
        self.buttons.add(text or name)
        return type("Settings", (), {})()
