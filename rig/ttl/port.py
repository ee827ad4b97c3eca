"""A board's serial port: found by its USB identity, held by one program at a time, written without ever blocking."""

import os
import select
from dataclasses import dataclass

import serial
from serial.tools import list_ports

from online.errors import BoardLost, BoardNotFound, BusyError

POLL_S = 0.05


def describe_ports() -> str:
    """The serial ports of this machine, as they may be written in a rig file."""
    found = [f"{port.device} ({_usb_name(port)})" for port in list_ports.comports() if port.vid is not None]
    return "ports with a USB identity: " + (", ".join(sorted(found)) if found else "none")


def _usb_name(port: object) -> str:
    vid, pid, number = (getattr(port, name) for name in ("vid", "pid", "serial_number"))
    return f"usb:{vid:04X}:{pid:04X}" + (f":{number}" if number else "")


def find_port(name: str) -> str:
    """Path of the port that `name` means: a path, or ``usb:VID:PID[:SERIAL]`` in hexadecimal.

    Raises
    ------
    BoardNotFound
        if there is none, or (without a serial number) more than one; the message lists the ports that exist.
    """
    if not name.startswith("usb:"):
        if not os.path.exists(name):  # noqa: PTH110 - a device path, followed through its links
            raise BoardNotFound(f"there is no port {name}; {describe_ports()}")
        return name
    wanted = name.split(":", 3)[1:]
    matches = []
    for port in list_ports.comports():
        if port.vid is None:
            continue
        identity = [f"{port.vid:04x}", f"{port.pid:04x}", port.serial_number or ""]
        if [part.lower() for part in wanted[:2]] == identity[:2] and wanted[2:] in ([], identity[2:]):
            matches.append(port.device)
    if not matches:
        raise BoardNotFound(f"no port with the identity {name}; {describe_ports()}")
    if len(matches) > 1:
        raise BoardNotFound(f"{name} is ambiguous ({', '.join(matches)}): add the serial number; {describe_ports()}")
    return str(matches[0])


@dataclass(slots=True)
class Port:
    """An open port. `warnings` say what could not be set and what it costs."""

    serial: serial.Serial
    path: str
    warnings: list[str]

    def write(self, data: bytes) -> None:
        """Hand `data` to the operating system whole and at once, or raise BoardLost."""
        try:
            written = os.write(self.serial.fileno(), data)
        except BlockingIOError as error:
            raise BoardLost(f"{self.path} takes no more bytes: the board does not read; check its cable") from error
        except (OSError, serial.SerialException) as error:
            raise BoardLost(f"{self.path} is gone ({error}); check the cable") from error
        if written != len(data):
            raise BoardLost(f"{self.path} took {written} of {len(data)} bytes: the board does not read")

    def read(self, timeout_s: float = POLL_S) -> bytes:
        """Bytes that have come, waiting for the first at most `timeout_s`; BoardLost when the port is gone."""
        try:
            descriptor = self.serial.fileno()
            readable, _, _ = select.select([descriptor], [], [], timeout_s)
            data = os.read(descriptor, 4096) if readable else b""
        except BlockingIOError:
            return b""
        except (OSError, ValueError, serial.SerialException) as error:
            raise BoardLost(f"{self.path} is gone ({error}); check the cable") from error
        if readable and not data:
            raise BoardLost(f"{self.path} is gone; check the cable")
        return data

    def close(self) -> None:
        """Release the port."""
        self.serial.close()


def open_port(name: str, baud: int, exclusive: bool = True) -> Port:
    """Open a port for one program alone, with the least latency that it offers.

    `exclusive=False` is for an emergency stop while another program holds the port.

    Raises
    ------
    BoardNotFound
        if the port is not there or may not be opened.
    BusyError
        if another program holds it.
    """
    path = find_port(name)
    try:
        port = serial.Serial(path, baud, timeout=0, write_timeout=0, exclusive=True if exclusive else None)
    except serial.SerialException as error:
        if "exclusively lock" in str(error):
            raise BusyError(
                f"port {path} is in use by another program; end it, or choose another port; {describe_ports()}"
            ) from error
        hint = "add yourself to the group 'dialout'" if isinstance(error.__context__, PermissionError) else ""
        raise BoardNotFound(f"port {path} cannot be opened: {error}. {hint or describe_ports()}") from error
    return Port(port, path, _low_latency(port, path))


def _low_latency(port: serial.Serial, path: str) -> list[str]:
    try:
        port.set_low_latency_mode(True)
    except (ValueError, OSError, NotImplementedError, AttributeError):
        if "ttyUSB" in f"{path} {os.path.realpath(path)}":
            return [f"{path}: low-latency mode could not be set; an FTDI adapter may add up to 16 ms to each answer"]
    return []
