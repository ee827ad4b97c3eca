"""Pure core: what flows, and how a depth frame becomes a posterior over behavioural syllables.

Nothing here opens a socket, thread, process, screen or device, or asks what time it is; `online.files`
alone touches the disk.
"""
