"""The backend's environment is made whole or not at all, and whatever goes wrong is told in a sentence."""

import importlib.util
import json
import re
import subprocess
import sys
import venv
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from backend.contract import SetUpBackend
from backend.errors import Cancelled, EnvironmentTrouble
from backend.jobs import set_up_backend
from backend.pip_words import Progress, trouble_in
from backend.protocol import SilentReporter


@pytest.fixture
def lock(tmp_path):
    """A lock file of no packages."""
    path = tmp_path / "lock.txt"
    path.write_text("# nothing\n\n")
    return path


def set_up(tmp_path, lock, **settings):
    request = SetUpBackend(place=tmp_path / "the place", lock=lock, torch="cpu", **settings)
    return set_up_backend.run(request, SilentReporter(tmp_path / "job"))


def test_an_environment_is_made_known_and_removed(tmp_path, lock, extension_part):
    module = extension_part("addon.backend_environment")
    environment = module.BackendEnvironment(tmp_path / "the place")
    assert "not set up yet" in environment.problem()
    (environment.place / "environment.new").mkdir(parents=True)
    (environment.place / "environment.new" / "half of a file").touch()
    (environment.place / "my own file").touch()
    result = set_up(tmp_path, lock)
    assert result["python"] == str(environment.python)
    code = "import sys; print(sys.prefix)"
    prefix = subprocess.run([environment.python, "-c", code], capture_output=True, text=True, check=True).stdout
    assert prefix.strip() == str(environment.folder)
    assert not (environment.place / "environment.new").exists()
    # What can become of it afterwards.
    assert "needs other packages now" in environment.problem(), "it was not made from the project's own lock"
    record = json.loads(environment.record_file.read_text())
    record["lock"] = module.lock_hash(module.LOCK)
    environment.record_file.write_text(json.dumps(record))
    assert environment.problem() == ""
    environment.record_file.write_text(json.dumps(record | {"base": "/gone/blender/python"}))
    assert "/gone/blender/python" in environment.problem() and "repair" in environment.problem()
    environment.record_file.write_text(json.dumps(record))
    environment.python.unlink()
    assert "Python is gone" in environment.problem()
    environment.record_file.unlink()
    assert "only in part" in environment.problem()
    environment.remove()
    assert [path.name for path in environment.place.iterdir()] == ["my own file"]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"PIP_NO_INDEX": "1"}, "no maquette-no-such-package==1"),
        ({"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1"}, "cannot be reached"),
        (
            {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "1", "PIP_PROXY": "http://127.0.0.1:9"},
            "proxy",
        ),
    ],
)
def test_when_pip_fails_the_old_environment_stays(tmp_path, lock, monkeypatch, variables, sentence):
    place = tmp_path / "the place"

    def make(new, reporter):
        # A whole environment takes seconds; this Python's pip fails as well as any.
        new.mkdir()
        return Path(sys.executable)

    monkeypatch.setattr(set_up_backend, "_make", make)
    set_up(tmp_path, lock)
    (place / "environment" / "of the old one").touch()
    set_up(tmp_path, lock)
    assert not (place / "environment" / "of the old one").exists()
    lock.write_text("maquette-no-such-package==1\n")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentTrouble, match=sentence):
        set_up(tmp_path, lock)
    assert (place / "environment" / "environment.json").exists()
    assert not (place / "environment.new").exists()


def test_cancel_ends_pip_and_leaves_nothing_half_done(tmp_path, lock):
    reporter = SilentReporter(tmp_path / "job")
    stage = reporter.stage

    def cancel_at(name, total=1):
        if name == "Making an environment":
            reporter.cancelled.set()
        stage(name, total)

    reporter.stage = cancel_at
    with pytest.raises(Cancelled):
        set_up_backend.run(SetUpBackend(place=tmp_path / "the place", lock=lock), reporter)
    assert not list((tmp_path / "the place").iterdir())


def test_room_is_looked_for_before_anything_is_downloaded(tmp_path, lock, monkeypatch):
    lock.write_text("torch==2.13.0\n")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(set_up_backend.shutil, "disk_usage", lambda path: usage(9e9, 8e9, 1.2e9))
    with pytest.raises(EnvironmentTrouble, match=r"needs 3 GB and there are 1\.2 GB free"):
        set_up(tmp_path, lock)


def test_a_place_that_cannot_be_written(tmp_path, lock):
    (tmp_path / "the place").write_text("a file is in the way")
    with pytest.raises(EnvironmentTrouble, match="cannot be written"):
        set_up(tmp_path, lock)


def test_a_python_of_another_version_or_without_ensurepip(tmp_path, lock, monkeypatch):
    real = set_up_backend.importlib.util.find_spec
    monkeypatch.setattr(
        set_up_backend.importlib.util, "find_spec", lambda name: None if name == "ensurepip" else real(name)
    )
    with pytest.raises(EnvironmentTrouble, match="without ensurepip"):
        set_up(tmp_path, lock)
    monkeypatch.setattr(set_up_backend, "PYTHONS", ((3, 7), (3, 8)))
    with pytest.raises(EnvironmentTrouble, match=r"needs Python 3\.7 to 3\.8"):
        set_up(tmp_path, lock)


def test_a_lock_file_that_is_gone(tmp_path):
    with pytest.raises(EnvironmentTrouble, match="list of packages"):
        set_up(tmp_path, tmp_path / "nowhere.txt")


@pytest.mark.skipif(sys.platform == "darwin", reason="no CUDA on a Mac")
def test_automatic_takes_the_card_if_there_is_one(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert set_up_backend.choose_build("auto") == "cpu"
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert [set_up_backend.choose_build(asked) for asked in ("auto", "cpu", "cuda")] == ["cuda", "cpu", "cuda"]


@pytest.fixture
def wheelhouse(tmp_path, monkeypatch):
    """Where pip looks for all packages, empty; ``wheelhouse(version)`` puts a PyTorch without contents there."""
    place = tmp_path / "wheels"
    place.mkdir()
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PIP_CONFIG_FILE": "/dev/null", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(place)}.items():
        monkeypatch.setenv(name, value)

    def put(version):
        record = f"torch-{version}.dist-info"
        with zipfile.ZipFile(place / f"torch-{version}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("torch/__init__.py", "")
            wheel.writestr(f"{record}/METADATA", f"Metadata-Version: 2.1\nName: torch\nVersion: {version}\n")
            wheel.writestr(f"{record}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{record}/RECORD", "")

    return put


@pytest.mark.parametrize(
    ("asked", "versions", "build", "said"),
    [
        ("cuda", ["2.13.0"], None, "CUDA was chosen, but the package index .* extra package index"),
        ("auto", ["2.13.0"], "cpu", "There is an NVIDIA card, but the package index .* extra package index"),
        ("cuda", ["2.13.0", "2.13.0+cu130"], "cuda", "finds no card"),
    ],
)
def test_cuda_where_the_index_has_none_by_itself(tmp_path, lock, monkeypatch, wheelhouse, asked, versions, build, said):
    """As on Windows, with a real pip, and a PyTorch that is none."""
    lock.write_text("torch==2.13.0\n")
    for version in versions:
        wheelhouse(version)

    def make(new, reporter):
        # With this Python's pip, which takes less time than a new one.
        venv.create(new, with_pip=False, symlinks=True)
        (packages,) = new.glob("lib/python*/site-packages")
        (packages / "pip").symlink_to(Path(importlib.util.find_spec("pip").origin).parent)
        return new / "bin" / "python"

    monkeypatch.setattr(set_up_backend, "_make", make)
    monkeypatch.setattr(set_up_backend, "_check", lambda python, reporter: {"device": "cpu"})
    monkeypatch.setattr(set_up_backend, "cuda_needs_an_index", lambda: True)
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    monkeypatch.setattr(set_up_backend, "GIGABYTES", {"cpu": 0.01, "cuda": 0.01})
    request = SetUpBackend(place=tmp_path / "the place", lock=lock, torch=asked)
    reporter = SilentReporter(tmp_path / "job")
    if build is None:
        with pytest.raises(EnvironmentTrouble, match=said):
            set_up_backend.run(request, reporter)
        assert not list((tmp_path / "the place").iterdir())
        return
    assert set_up_backend.run(request, reporter)["torch_build"] == build
    (warning,) = [message["text"] for message in reporter.messages if message["type"] == "warning"]
    assert re.search(said, warning)
    (installed,) = (tmp_path / "the place").glob("environment/lib/python*/site-packages/torch-*.dist-info")
    assert ("+cu130" in installed.name) == (build == "cuda")


UNREACHABLE = (
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...: Failed to establish a new "
    "connection: [Errno -3] Temporary failure in name resolution')': /simple/torch/"
)


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([UNREACHABLE, "ERROR: Could not find a version that satisfies the requirement torch==2.13.0 (from versions: "
          "none)", "ERROR: No matching distribution found for torch==2.13.0"], "no network"),
        (["ERROR: No matching distribution found for torch==2.13.0+cpu"], "no version"),
        (["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"], "no space"),
        (["ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/x'"], "no permission"),
        (["/usr/bin/python3: No module named pip"], "no pip"),
        (["The virtual environment was not created successfully because ensurepip is not available."], "no pip"),
        (["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ...", "ERROR: No matching "
          "distribution found for torch==2.13.0"], "certificate"),
        (["    ReadTimeoutError: Read timed out."], "broke off"),
        (["ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."], "damaged"),
        ([UNREACHABLE, "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"],
         "no space"),
        (["a sentence nobody has seen before"], "unknown"),
        ([], "unknown"),
    ],
)  # fmt: skip
def test_what_pip_says_in_words(lines, code):
    found, sentence = trouble_in(lines, "It failed")
    assert found == code
    assert sentence.endswith((".", "details.")) and "{0}" not in sentence and "\n" not in sentence


def test_progress_from_what_pip_prints():
    progress = Progress(3)
    for line in ("Collecting numpy==2.4.6", "  Downloading numpy-2.4.6-cp311.whl (16 MB)", "Progress 10 of 16000000"):
        progress.hear(line)
    assert (progress.phase, progress.done, progress.total) == ("Downloading packages", 1, 3)
    progress.hear("Collecting torch==2.13.0")
    progress.hear("  Downloading torch-2.13.0-cp311.whl (900.0 MB)")
    progress.hear("Progress 300000000 of 900000000")
    assert (progress.phase, progress.done, progress.total) == ("Downloading torch (MB)", 300, 900)
    progress.hear("Collecting scipy")
    assert (progress.phase, progress.done, progress.total) == ("Downloading packages", 3, 3)
    progress.hear("Installing collected packages: numpy, torch, scipy, mpmath")
    assert (progress.phase, progress.done, progress.total) == ("Installing packages", 0, 4)
