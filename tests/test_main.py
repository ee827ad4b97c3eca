"""The one command: its list is quick to come and complete, its errors go to people."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import rig
from rig.main import GROUP, main

HEAVY = ("numba", "textual", "matplotlib", "sklearn", "h5py", "zmq")


def test_the_list_of_commands_imports_none_of_them() -> None:
    script = f"import sys\nfrom rig.main import main\ntry:\n    main(['--help'])\nfinally:\n    loaded = {HEAVY!r}\n"
    script += "    print([name for name in loaded if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1] == "[]"
    for entry in entry_points(group=GROUP):
        assert entry.name.split()[0] in done.stdout
    assert "Run one closed-loop session" in done.stdout
    assert "model import" in done.stdout


def modules_outside_the_terminal() -> list[str]:
    root = Path(rig.__file__).parent
    paths = [path.relative_to(root.parent).with_suffix("") for path in sorted(root.rglob("*.py"))]
    return [".".join(path.parts) for path in paths if path.parts[:2] != ("rig", "tui") and path.name != "__init__"]


def test_a_rig_without_a_screen_needs_no_textual() -> None:
    names = modules_outside_the_terminal()
    assert {"rig.supervisor", "rig.online_process", "rig.watch_process", "rig.run_command"} <= set(names)
    script = f"import sys, importlib\nfor name in {names!r}:\n    importlib.import_module(name)\n"
    script += "    assert 'textual' not in sys.modules, name"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted(entry.name for entry in entry_points(group=GROUP)))
def test_every_command_explains_itself_with_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    main([*name.split(), "--help"])
    shown = capsys.readouterr().out
    assert f"etholoop {name.split()[0]}" in shown
    assert shown.rindex("Example") > shown.rindex("--help")


def test_an_error_is_one_message_and_an_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["model", "info", "/nowhere.model.h5"])
    assert ended.value.code in (2, 3)
    assert "nowhere.model.h5" in capsys.readouterr().err
