"""The one command: its list is quick to come and complete, its errors go to people."""

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

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
