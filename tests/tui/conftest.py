"""What tests of the terminal share."""

import pytest

from rig.tui.session_facts import SessionFacts
from rig.tui.session_view import SessionView


@pytest.fixture
def view() -> SessionView:
    return SessionView(SessionFacts(subject="m1", names={3: "rear", 1: "walk"}))
