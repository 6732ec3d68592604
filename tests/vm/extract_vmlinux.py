#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""extract_vmlinux.py BZIMAGE OUT: the uncompressed ELF kernel inside a bzImage. QEMU boots it
through its PVH note, without the decompression in the guest that emulation makes slow."""
import struct
import subprocess
import sys

DECOMPRESSORS = [(b"\xfd7zXZ\0", ["xz", "-dc"]), (b"\x28\xb5\x2f\xfd", ["zstd", "-qdc"]),
                 (b"\x02\x21\x4c\x18", ["lz4", "-dc"]), (b"\x1f\x8b\x08", ["gzip", "-dc"]),
                 (b"\x5d\0\0", ["lzma", "-dc"])]


def payload(image):
    """Documentation/arch/x86/boot.rst: payload_offset and payload_length, protocol 2.08."""
    if image[0x202:0x206] != b"HdrS":
        sys.exit("not a bzImage")
    setup_sectors = image[0x1F1] or 4
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    return image[start:start + length]


def main():
    with open(sys.argv[1], "rb") as file:
        packed = payload(file.read())
    for magic, command in DECOMPRESSORS:
        if packed.startswith(magic):
            # The last four bytes are the unpacked size, not part of the stream.
            packed = subprocess.run(command, input=packed[:-4], stdout=subprocess.PIPE,
                                    stderr=subprocess.DEVNULL, check=False).stdout
            break
    if packed[:4] != b"\x7fELF":
        sys.exit("no ELF kernel inside")
    with open(sys.argv[2], "wb") as file:
        file.write(packed)


main()
