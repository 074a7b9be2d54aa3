#!/usr/bin/env python3
"""Makes HEIC files as telephones write them: see README.md.

Needs Pillow and heif-enc (Debian: python3-pil, libheif-examples). Run it in this
directory. heif-enc encodes the pictures; the boxes around them (ISO/IEC 14496-12 and
23008-12) are written here, because it writes neither grids nor sequences.
"""
import struct
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

TILE = 512


def u16(*values):
    return struct.pack(f">{len(values)}H", *values)


def u32(*values):
    return struct.pack(f">{len(values)}I", *values)


def box(kind, *parts):
    body = b"".join(parts)
    return u32(8 + len(body)) + kind.encode() + body


def full(kind, version, flags, *parts):
    return box(kind, u32(version << 24 | flags), *parts)


def find(data, *path):
    """The content of a box, by the kinds of those that it is in."""
    for kind in path:
        at = data.index(kind.encode())
        data = data[at + 4 : at - 4 + struct.unpack(">I", data[at - 4 : at])[0]]
    return data


def encode(picture, quality=60, config="hvcC"):
    """The box that configures the decoder, and the coded picture."""
    with tempfile.TemporaryDirectory() as folder:
        png, file = Path(folder, "a.png"), Path(folder, "a.heic" if config == "hvcC" else "a.avif")
        picture.save(png)
        subprocess.run(["heif-enc", "-q", str(quality), "-o", file, png], check=True, stdout=subprocess.DEVNULL)
        data = file.read_bytes()
    return box(config, find(data, config)), find(data, "mdat")


def scene(width, height):
    """Red grows to the right and green downwards, so each corner has a colour of its own."""
    m = Image.new("RGB", (width, height))
    m.putdata([(255 * x // width, 255 * y // height, 60) for y in range(height) for x in range(width)])
    return m


class File:
    """A HEIF file that is being put together."""

    def __init__(self):
        self.items, self.references, self.properties, self.groups = [], [], [], b""

    def item(self, kind, data, properties=(), hidden=False, idat=False, name=b""):
        """Adds an item; a property is its box and whether it is essential."""
        uses = []
        for prop, essential in properties:
            if prop not in self.properties:
                self.properties.append(prop)
            uses.append((self.properties.index(prop) + 1) | (0x8000 if essential else 0))
        self.items.append((kind, data, uses, hidden, idat, name))
        return len(self.items)

    def refer(self, kind, source, *targets):
        self.references.append(box(kind, u16(source, len(targets), *targets)))

    def meta(self, primary, mdat):
        """The meta box, given where in the file the content of mdat begins."""
        infos, places, uses, idat, at = [], [], [], b"", mdat
        for number, (kind, data, props, hidden, in_idat, name) in enumerate(self.items, 1):
            infos.append(full("infe", 2, int(hidden), u16(number, 0), kind.encode(), b"\0", name))
            if in_idat:
                places.append(u16(number, 1, 0, 1) + u32(len(idat), len(data)))
                idat += data
            else:
                places.append(u16(number, 0, 0, 1) + u32(at, len(data)))
                at += len(data)
            if props:
                uses.append(u16(number) + bytes([len(props)]) + u16(*props))
        return full(
            "meta", 0, 0,
            full("hdlr", 0, 0, u32(0), b"pict", bytes(13)),
            box("dinf", full("dref", 0, 0, u32(1), full("url ", 0, 1))),
            full("pitm", 0, 0, u16(primary)),
            full("iinf", 0, 0, u16(len(infos)), *infos),
            full("iref", 0, 0, *self.references) if self.references else b"",
            box("iprp", box("ipco", *self.properties), full("ipma", 0, 1, u32(len(uses)), *uses)),
            box("idat", idat) if idat else b"",
            full("iloc", 1, 0, b"\x44\x00", u16(len(places)), *places),
            self.groups,
        )

    def data(self):
        return b"".join(item[1] for item in self.items if not item[4])


def ispe(width, height):
    return full("ispe", 0, 0, u32(width, height))


def pixi(channels=3):
    return full("pixi", 0, 0, bytes([channels] + [8] * channels))


SRGB = box("colr", b"nclx", u16(1, 13, 6), b"\x80")
AUX = "urn:com:apple:photo:2020:aux:hdrgainmap"


def photograph(gain_map):
    """A photograph of 900 x 1200, held upright, as the sensor has it: on its side."""
    stored = scene(900, 1200).transpose(Image.ROTATE_90)  # anticlockwise
    width, height = stored.size
    columns, rows = -(-width // TILE), -(-height // TILE)
    padded = Image.new("RGB", (columns * TILE, rows * TILE), (128, 128, 128))
    padded.paste(stored)
    upright = (box("irot", b"\x03"), True)  # three quarters anticlockwise
    f = File()
    tiles = []
    for y in range(rows):
        for x in range(columns):
            config, data = encode(padded.crop((x * TILE, y * TILE, (x + 1) * TILE, (y + 1) * TILE)))
            tiles.append(f.item("hvc1", data, [(config, True), (ispe(TILE, TILE), False), (SRGB, False)], hidden=True))
    grid = f.item(
        "grid", bytes([0, 0, rows - 1, columns - 1]) + u16(width, height),
        [(SRGB, False), (ispe(width, height), False), (pixi(), False), upright], idat=True,
    )
    f.refer("dimg", grid, *tiles)
    config, data = encode(stored.resize((320, 240)))
    thumbnail = f.item("hvc1", data, [(config, True), (ispe(320, 240), False), (SRGB, False), upright], hidden=True)
    f.refer("thmb", thumbnail, grid)
    # What the telephone says of how it was held; HEIF has irot for that.
    exif = f.item("Exif", u32(6) + b"Exif\0\0MM\0*" + u32(8) + u16(1, 0x0112, 3) + u32(1) + u16(6, 0) + u32(0), hidden=True)
    config, data = encode(Image.new("RGB", (width // 4, height // 4), (90, 90, 90)), 30)
    gain = f.item(
        "hvc1", data, [(config, True), (ispe(width // 4, height // 4), False), upright, (full("auxC", 0, 0, AUX.encode(), b"\0"), True)], hidden=True,
    )
    shown = [grid]
    if gain_map:  # ISO/IEC 23008-12, tone map derivation: the picture for screens of high dynamic range
        numbers = bytes([0, 0, 0, 0, 0, 0x40]) + u32(0, 1, 0, 1, 0, 1, 2, 1, 1, 1, 1, 64, 1, 64)
        tone = f.item(
            "tmap", numbers,
            [(box("colr", b"nclx", u16(12, 16, 6), b"\x80"), False), (ispe(width, height), False), (pixi(), False), upright], idat=True,
        )
        f.refer("dimg", tone, grid, gain)
        f.groups = box("grpl", full("altr", 0, 0, u32(100, 2, tone, grid)))
        shown.append(tone)
    f.refer("auxl", gain, *shown)
    f.refer("cdsc", exif, *shown)
    brands = b"mif1MiHEMiPrmiafMiHBheic" + (b"tmap" if gain_map else b"")
    head = box("ftyp", b"heic", u32(0), brands)
    return head + f.meta(grid, len(head) + len(f.meta(grid, 0)) + 8) + box("mdat", f.data())


def sequence(first_picture):
    """Three pictures of 160 x 120 as a track, with or without an item for the first."""
    width, height = 160, 120
    config, samples = None, []
    for i in range(3):
        m = scene(width, height) if i == 0 else Image.new("RGB", (width, height), (80 * i, 20, 20))
        config, data = encode(m)
        samples.append(data)
    f = File()
    f.item("hvc1", samples[0], [(config, True), (ispe(width, height), False), (SRGB, False)])

    def moov(at):
        matrix = u32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
        entry = box(
            "hvc1", bytes(6), u16(1), bytes(16), u16(width, height), u32(0x480000, 0x480000, 0), u16(1), bytes(32), u16(24, 0xFFFF),
            config, full("ccst", 0, 0, u32(0xFC000000)),
        )
        table = box(
            "stbl",
            full("stsd", 0, 0, u32(1), entry),
            full("stts", 0, 0, u32(1, 3, 1)),
            full("stsc", 0, 0, u32(1, 1, 3, 1)),
            full("stsz", 0, 0, u32(0, 3, *map(len, samples))),
            full("stco", 0, 0, u32(1, at)),
        )
        media = box(
            "mdia",
            full("mdhd", 0, 0, u32(0, 0, 10, 3), u16(0x55C4, 0)),
            full("hdlr", 0, 0, u32(0), b"pict", bytes(13)),
            box("minf", full("vmhd", 0, 1, bytes(8)), box("dinf", full("dref", 0, 0, u32(1), full("url ", 0, 1))), table),
        )
        header = full("tkhd", 0, 7, u32(0, 0, 1, 0, 3, 0, 0), u16(0, 0, 0, 0), matrix, u32(width << 16, height << 16))
        return box("moov", full("mvhd", 0, 0, u32(0, 0, 10, 3, 0x10000), u16(0x100, 0), u32(0, 0), matrix, bytes(24), u32(2)), box("trak", header, media))

    head = box("ftyp", b"hevc", u32(0), b"msf1hevc" + (b"mif1heic" if first_picture else b""))

    def front(at):
        return head + (f.meta(1, at) if first_picture else b"") + moov(at)

    return front(len(front(0)) + 8) + box("mdat", *samples)


def flat(brand, kind, config):
    """64 x 64 pixels of one shade, with the code points of sRGB."""
    config, data = encode(Image.new("RGB", (64, 64), (0xA0, 0x60, 0x40)), 95, config)
    f = File()
    f.item(kind, data, [(config, True), (ispe(64, 64), False), (SRGB, False), (pixi(), False)])
    head = box("ftyp", brand, u32(0), b"mif1miaf" + brand)
    return head + f.meta(1, len(head) + len(f.meta(1, 0)) + 8) + box("mdat", f.data())


for name, data in {
    "flat.heic": flat(b"heic", "hvc1", "hvcC"),
    "flat.avif": flat(b"avif", "av01", "av1C"),
    "telephone.heic": photograph(False),
    "gain-map.heic": photograph(True),
    "sequence.heic": sequence(True),
    "sequence-track-only.heic": sequence(False),
}.items():
    Path(name).write_bytes(data)
