"""Writes normalization.bin from Python's unicodedata: python3 make_tables.py (version 14.0.0 of Unicode made the file here).

Layout, little endian: int32 counts of decompositions, combining classes and compositions; then
decompositions as (int32 code point, byte canonical length, byte compatibility length, int32 code points of both),
combining classes as (int32 code point, byte class), compositions as (int32 first, int32 second, int32 composite).
Hangul syllables are left out: they are computed.
"""
import pathlib
import struct
import sys
import unicodedata

decompositions, classes, compositions = [], [], []
for point in range(sys.maxunicode + 1):
    if 0xD800 <= point < 0xE000 or 0xAC00 <= point < 0xD7A4:
        continue
    char = chr(point)
    canonical, compatible = unicodedata.normalize("NFD", char), unicodedata.normalize("NFKD", char)
    if compatible != char:
        own = canonical if canonical != char else ""
        other = compatible if compatible != canonical else ""
        decompositions.append(struct.pack("<iBB", point, len(own), len(other)) + b"".join(struct.pack("<i", ord(c)) for c in own + other))
    if unicodedata.combining(char):
        classes.append(struct.pack("<iB", point, unicodedata.combining(char)))
    parts = unicodedata.decomposition(char).split()
    if len(parts) == 2 and not parts[0].startswith("<"):
        first, second = (int(p, 16) for p in parts)
        if unicodedata.normalize("NFC", chr(first) + chr(second)) == char:
            compositions.append(struct.pack("<iii", first, second, point))
target = pathlib.Path(__file__).with_name("normalization.bin")
target.write_bytes(struct.pack("<iii", len(decompositions), len(classes), len(compositions)) + b"".join(decompositions + classes + compositions))
print(unicodedata.unidata_version, target.stat().st_size, "bytes")
