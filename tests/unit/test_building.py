"""build.py: environments made once and again when they must be, Pythons found, options passed on."""

import os
import sys
import time

import pytest

import build
from building import environments, extension, launch, pythons
from building.trouble import Trouble


@pytest.fixture
def made(monkeypatch, tmp_path):
    """Names of the environments that were installed, with the install itself (venv and pip) left out."""
    names = []

    def make(place, base, locks):
        interpreter = environments._interpreter(place)
        interpreter.parent.mkdir(parents=True)
        interpreter.symlink_to(base)
        names.append(place.name)

    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "a cache"))
    monkeypatch.setattr(environments, "_make", make)
    return names


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("numpy==1\n")
    return path


def ensure(lock, base=sys.executable):
    return environments._ensure("x", base, [lock])


def there():
    return sorted(entry.name for entry in (environments.cache() / "environments").iterdir())


def test_an_environment_is_made_once(made, lock):
    assert ensure(lock) == ensure(lock)
    assert len(made) == len(there()) == 1


def test_checkouts_with_other_locks_keep_their_environments(made, lock):
    old = ensure(lock)
    lock.write_text("numpy==2\n")
    new = ensure(lock)
    assert new != old and new.exists() and old.exists()
    lock.write_text("numpy==1\n")
    assert ensure(lock) == old
    assert len(made) == len(there()) == 2


def test_an_environment_that_nobody_used_for_a_month_goes(made, lock):
    def age(python, days):
        long_ago = time.time() - days * environments.DAY
        os.utime(python.parents[1] / environments.USED, (long_ago, long_ago))

    forgotten = ensure(lock)
    lock.write_text("numpy==2\n")
    kept = ensure(lock)
    age(forgotten, 31)
    age(kept, 31)
    ensure(lock)  # used again
    lock.write_text("numpy==3\n")
    new = ensure(lock)
    assert new.exists() and kept.exists() and not forgotten.exists()


BARE = "ImportError: libSM.so.6: cannot open shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("said", "sentence"), [(BARE, r"needs libSM\.so\.6.*apt-get install libx11-6 .*libgl1`"), ("Killed", r"\(Killed\)")]
)
def test_a_bpy_that_does_not_load_is_a_sentence_until_it_does(monkeypatch, tmp_path, said, sentence):
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path))
    monkeypatch.setattr(environments, "_refuse_platforms_without_bpy", lambda: None)
    monkeypatch.setattr(pythons, "for_blender", lambda version: sys.executable)
    tries = tmp_path / "tries"

    def make(place, base, locks):
        python = environments._interpreter(place)
        python.parent.mkdir(parents=True)
        # Starts as any Python, but has no bpy until a file says that the libraries are there.
        python.write_text(
            f"#!/bin/sh\n[ -z \"$2\" ] && exit 0\necho x >>'{tries}'\n"
            f"[ -e '{tmp_path}/libraries' ] && exit 0\necho '{said}' >&2\nexit 1\n"
        )
        python.chmod(0o755)

    monkeypatch.setattr(environments, "_make", make)
    for _ in range(2):
        with pytest.raises(Trouble, match=sentence):
            environments.blender("5.0.1")
    (tmp_path / "libraries").touch()
    assert environments.blender("5.0.1") == environments.blender("5.0.1")
    assert len(tries.read_text().split()) == 3  # once it has loaded, it is not tried again


def test_the_readme_names_the_libraries_that_bpy_needs():
    readme = " ".join((environments.CHECKOUT / "README.md").read_text(encoding="utf-8").split())
    assert f"apt-get install {' '.join(environments.SYSTEM_LIBRARIES)}" in readme
    ci = (environments.CHECKOUT / ".ci" / "run").read_text()
    assert all(f":{package}" in ci for package in environments.SYSTEM_LIBRARIES)


def test_an_environment_whose_python_is_gone_is_made_again(made, lock):
    python = ensure(lock)
    python.unlink()
    python.symlink_to("/no/such/python")
    assert ensure(lock) == python
    assert len(made) == 2


def test_an_install_that_breaks_off_leaves_nothing(made, lock, monkeypatch):
    def half(place, base, locks):
        place.mkdir(parents=True)
        raise Trouble("pip could not install it")

    with monkeypatch.context() as patch:
        patch.setattr(environments, "_make", half)
        with pytest.raises(Trouble, match="pip could not"):
            ensure(lock)
    assert there() == []
    assert ensure(lock).exists()


def test_a_cache_that_cannot_be_written_is_a_sentence(made, lock, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(Trouble, match="cannot be written"):
        ensure(lock)


@pytest.mark.parametrize(
    ("python", "sentence"),
    [
        ("exit 1", "cannot make environments"),
        ("mkdir -p $3/bin; printf '#!/bin/sh\\nexit 1\\n' >$3/bin/python; chmod +x $3/bin/python", "pip could not"),
    ],
)
def test_a_python_without_venv_and_a_failing_pip_are_sentences(monkeypatch, tmp_path, lock, python, sentence):
    monkeypatch.setenv("MAQUETTE_CACHE", str(tmp_path / "cache"))
    base = tmp_path / "python"
    base.write_text(f"#!/bin/sh\n{python}\n")
    base.chmod(0o755)
    with pytest.raises(Trouble, match=sentence):
        ensure(lock, base)
    assert there() == []


def test_a_program_that_only_says_it_is_python_is_passed_over(monkeypatch, tmp_path):
    shim = tmp_path / "python9.9"
    shim.write_text("#!/bin/sh\necho use another >&2\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert pythons.find("9.9") is None


def test_every_blender_has_a_lock_and_a_python():
    for version, python in pythons.PYTHON_OF_BLENDER.items():
        assert f"bpy=={version}" in (environments.LOCKS / f"bpy-{version}.txt").read_text()
        assert python in pythons.BACKEND_PYTHONS


@pytest.mark.parametrize(
    ("argv", "rest"),
    [
        (["backend", "convert-strands", "a b.hair", "x.npz"], ["convert-strands", "a b.hair", "x.npz"]),
        (["backend", "reconstruct-hair", "--help"], ["reconstruct-hair", "--help"]),
        (["bench", "hair", "--samples", "4"], ["hair", "--samples", "4"]),
        (["ground-truth", "--strands", "s", "--blender", "5.0.1", "--views", "4"], ["--strands", "s", "--views", "4"]),
        (["blender", "--", "x.blend"], ["x.blend"]),
    ],
)
def test_what_another_program_understands_is_passed_on_in_order(argv, rest):
    assert build.parse(argv).arguments == rest


@pytest.mark.parametrize("argv", [["zip", "--no-such-option"], ["no-such-command"], []])
def test_unknown_options_are_refused(argv, capsys):
    with pytest.raises(SystemExit) as ended:
        build.parse(argv)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["demo", "test", "zip", "bench", "backend", "ground-truth", "blender", "setup"])
def test_every_command_has_help_with_an_example(command, capsys):
    with pytest.raises(SystemExit) as ended:
        build.parse([command, "--help"])
    assert ended.value.code == 0
    assert f"example: python build.py {command}" in " ".join(capsys.readouterr().out.split())


def test_the_checkout_is_linked_as_the_extension_and_never_over_an_installed_one(tmp_path):
    place = extension.link(tmp_path)
    assert extension.link(tmp_path) == place and place.resolve() == environments.CHECKOUT
    extension.unlink(place)
    assert not place.exists() and (environments.CHECKOUT / "build.py").exists()
    place.mkdir()
    with pytest.raises(Trouble, match="holds an installed Maquette"):
        extension.link(tmp_path)


def test_a_blender_that_is_named_wrongly_is_a_sentence(monkeypatch):
    monkeypatch.setenv("BLENDER", "/no/such/blender")
    with pytest.raises(Trouble, match="is not a program"):
        launch.find_blender()
