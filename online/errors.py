"""The tree of errors.

    EtholoopError                something a user can understand and mend; exit code 1
    ├── ConfigError              a file or option says something impossible; exit code 2
    ├── FileFormatError          a data file is damaged or not what it claims to be; exit code 3
    ├── DeviceError              hardware absent, wrong, busy or lost; exit code 4
    │   ├── CameraError
    │   │   ├── CameraNotFound
    │   │   ├── CameraProfileError   the camera cannot do what the rig file asks
    │   │   └── CameraLost           unplugged or silent while streaming
    │   ├── BoardError
    │   │   ├── BoardNotFound
    │   │   ├── BoardRefused         the board refused a command, with its reason
    │   │   └── BoardLost
    │   └── BusyError            another program holds the camera, board or folder
    ├── SessionFailed            a session began and could not go on; exit code 5
    ├── CannotWrite              the disk is full or read-only; exit code 6; an OSError, too
    ├── MessageError             bytes that are no message of this version (`online.messages`)
    ├── ControlError             a process did not answer a command (`rig.control`)
    └── LineTooLong              the path of a socket is too long (`rig.bus`)

Every message says what is wrong, where, and what to do about it.
"""


class EtholoopError(Exception):
    """Base of all errors that are meant for the user; anything else is a bug."""

    exit_code = 1


class ConfigError(EtholoopError):
    """A configuration file or an option asks for something that cannot be."""

    exit_code = 2


class FileFormatError(EtholoopError):
    """A data file is damaged, incomplete, or of another kind."""

    exit_code = 3


class DeviceError(EtholoopError):
    """A camera or board is absent, wrong, or lost."""

    exit_code = 4


class CameraError(DeviceError):
    """Base of camera errors."""


class CameraNotFound(CameraError):
    """No camera answers to the rig file's description."""


class CameraProfileError(CameraError):
    """The camera is there but cannot stream as asked."""


class CameraLost(CameraError):
    """The camera fell silent or was unplugged while streaming."""


class BoardError(DeviceError):
    """Base of pulse-generator errors."""


class BoardNotFound(BoardError):
    """No board answers at the port."""


class BoardRefused(BoardError):
    """The board refused a command; the message carries its reason."""


class BoardLost(BoardError):
    """The board stopped answering or its port vanished."""


class BusyError(DeviceError):
    """Another program holds the camera, the board or the folder."""


class SessionFailed(EtholoopError):
    """A session had begun and could not go on; what was recorded is kept."""

    exit_code = 5


class CannotWrite(EtholoopError, OSError):
    """The disk is full or read-only, or the folder is not the user's; nothing half-written is left."""

    exit_code = 6
