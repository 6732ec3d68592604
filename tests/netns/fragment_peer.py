#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Both ends of large datagrams for fragments_test.sh. No part of Loom: plain sockets.

  fragment_peer.py serve PORT ADDRESS...
      answers each datagram to one of the addresses with its SHA-256 and its bytes
  fragment_peer.py ask ADDRESS PORT BYTES COUNT
      asks COUNT questions of BYTES random bytes, from several ports; prints how many got the right
      answer
  fragment_peer.py pieces ADDRESS PORT first|later
      sends one datagram in two fragments, this one of them ahead; succeeds if it is answered
"""
import hashlib
import os
import select
import socket
import struct
import sys

TIMEOUT_S = 1
PORTS = 10
FRAGMENT = 44  # IPv6's header


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def serve(port, *addresses):
    sockets = []
    for address in addresses:
        listener = socket.socket(family_of(address), socket.SOCK_DGRAM)
        listener.bind((address, int(port)))
        sockets.append(listener)
    print("serving", flush=True)
    while True:
        for ready in select.select(sockets, [], [])[0]:
            data, sender = ready.recvfrom(65536)
            ready.sendto(hashlib.sha256(data).digest() + data, sender)


def is_answered(asking, question):
    try:
        answer = asking.recv(65536)
    except socket.timeout:
        return False
    return answer == hashlib.sha256(question).digest() + question


def connected(address, port):
    asking = socket.socket(family_of(address), socket.SOCK_DGRAM)
    asking.settimeout(TIMEOUT_S)
    asking.connect((address, int(port)))
    return asking


def ask(address, port, size, count):
    sockets = [connected(address, port) for _ in range(PORTS)]
    right = 0
    for i in range(int(count)):
        question = os.urandom(int(size))
        sockets[i % PORTS].send(question)
        right += is_answered(sockets[i % PORTS], question)
    print(right)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF or 0xFFFF


def datagram(source, destination, question):
    """source and destination: packed address, port."""
    length = 8 + len(question)
    header = struct.pack("!HHHH", source[1], destination[1], length, 0)
    pseudo = source[0] + destination[0] + struct.pack("!II", length, socket.IPPROTO_UDP)
    check = checksum(pseudo + header + question)
    return header[:6] + struct.pack("!H", check) + question


def fragment(family, source, destination, number, at, data, more):
    if family == socket.AF_INET:  # the kernel fills in length and checksum
        return struct.pack("!BBHHHBBH", 0x45, 0, 0, number, more << 13 | at // 8, 64,
                           socket.IPPROTO_UDP, 0) + source + destination + data
    return (struct.pack("!IHBB", 6 << 28, 8 + len(data), FRAGMENT, 64) + source + destination +
            struct.pack("!BBHI", socket.IPPROTO_UDP, 0, at | more, number) + data)


def pieces(address, port, ahead):
    asking = connected(address, port)
    family = asking.family
    ends = [(socket.inet_pton(family, name[0]), name[1])
            for name in (asking.getsockname(), asking.getpeername())]
    question = os.urandom(2000)
    whole = datagram(*ends, question)
    number = int.from_bytes(os.urandom(2), "big") | 1
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    parts = [(0, whole[:1024], 1), (1024, whole[1024:], 0)]
    for part in parts if ahead == "first" else reversed(parts):
        raw.sendto(fragment(family, ends[0][0], ends[1][0], number, *part), (address, 0))
    sys.exit(0 if is_answered(asking, question) else 1)


if __name__ == "__main__":
    {"serve": serve, "ask": ask, "pieces": pieces}[sys.argv[1]](*sys.argv[2:])
