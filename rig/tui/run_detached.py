"""`etholoop run`, started by the set-up screen: `python -m rig.tui.run_detached OPTIONS`."""

import sys

from rig.main import main

if __name__ == "__main__":
    main(["run", *sys.argv[1:]])
