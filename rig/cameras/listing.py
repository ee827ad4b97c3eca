"""`etholoop cameras`: what is connected."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import click

from rig.cameras.realsense_sdk import connected_devices, depth_profiles, device_text, load_sdk


@dataclass(frozen=True, slots=True)
class ConnectedCamera:
    """A camera that could be written into the rig file; `link` is the USB version that it found, `modes` its depth
    streams as "WIDTHxHEIGHT at HZ Hz"."""

    driver: str
    serial: str | None
    name: str | None
    firmware: str | None
    link: str | None
    modes: list[str]


def describe(sdk: Any, device: Any) -> ConnectedCamera:
    """What a RealSense device says of itself."""
    return ConnectedCamera(
        driver="realsense",
        serial=device_text(sdk, device, "serial_number"),
        name=device_text(sdk, device, "name"),
        firmware=device_text(sdk, device, "firmware_version"),
        link=device_text(sdk, device, "usb_type_descriptor"),
        modes=[str(mode) for mode in sorted(depth_profiles(sdk, device))],
    )


def text(camera: ConnectedCamera) -> str:
    """One camera, for a person."""
    slow = " (slow: use a USB 3 port and cable)" if (camera.link or "").startswith("2") else ""
    lines = [
        f"{camera.name}: serial {camera.serial}, firmware {camera.firmware or 'unknown'}, "
        f"USB {camera.link or 'unknown'}{slow}",
        f"    depth: {', '.join(camera.modes)}",
        f'    rig.toml: [camera] driver = "{camera.driver}", serial = "{camera.serial}"',
    ]
    return "\n".join(lines)


@click.command(epilog="Example: etholoop cameras")
@click.option("--json", "as_json", is_flag=True, help="Print a list for programs.")
def command(as_json: bool) -> None:
    """List the depth cameras that are connected."""
    sdk = load_sdk()
    cameras = [describe(sdk, device) for device in connected_devices(sdk)]
    if as_json:
        click.echo(json.dumps([asdict(camera) for camera in cameras]))
    elif cameras:
        click.echo("\n".join(map(text, cameras)))
    else:
        click.echo("no RealSense camera is connected")
