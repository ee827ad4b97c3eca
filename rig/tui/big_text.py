"""Digits and capitals three or five rows high, drawn with half blocks, to be read from two metres."""

_UNKNOWN = "000 000 010 000 000"
_GLYPHS = {
    "0": "111 101 101 101 111",
    "1": "010 110 010 010 111",
    "2": "111 001 111 100 111",
    "3": "111 001 011 001 111",
    "4": "101 101 111 001 001",
    "5": "111 100 111 001 111",
    "6": "111 100 111 101 111",
    "7": "111 001 010 010 010",
    "8": "111 101 111 101 111",
    "9": "111 101 111 001 111",
    "A": "010 101 111 101 101",
    "C": "111 100 100 100 111",
    "D": "110 101 101 101 110",
    "E": "111 100 110 100 111",
    "G": "111 100 101 101 111",
    "H": "101 101 111 101 101",
    "I": "111 010 010 010 111",
    "L": "100 100 100 100 111",
    "M": "10001 11011 10101 10001 10001",
    "N": "1001 1101 1011 1001 1001",
    "O": "111 101 101 101 111",
    "P": "111 101 111 100 100",
    "R": "110 101 110 101 101",
    "S": "111 100 111 001 111",
    "T": "111 010 010 010 010",
    "U": "101 101 101 101 111",
    "V": "101 101 101 101 010",
    "W": "10001 10001 10101 11011 10001",
    "Y": "101 101 010 010 010",
    "?": "111 001 010 000 010",
    ":": "0 1 0 1 0",
    ".": "0 0 0 0 1",
    "-": "000 000 111 000 000",
    " ": "00 00 00 00 00",
}
_CELL = {("0", "0"): " ", ("1", "0"): "▀", ("0", "1"): "▄", ("1", "1"): "█"}


def big(text: str, scale: int = 1) -> list[str]:
    """Text three rows high, or five at `scale` 2; a character without a glyph becomes a dot."""
    glyphs = [_GLYPHS.get(character, _UNKNOWN).split() for character in text.upper()]
    pixels = ["0".join(glyph[row] for glyph in glyphs) for row in range(5)]
    if scale > 1:
        return [row.replace("0", "  ").replace("1", "██") for row in pixels]
    pixels.append("0" * (len(pixels[0]) if pixels else 0))
    return [
        "".join(_CELL[pair] for pair in zip(pixels[row], pixels[row + 1], strict=True))
        for row in range(0, len(pixels), 2)
    ]
