#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The balancer and both ends of a connection for decap_test.sh. No part of Loom: plain sockets.

  decap_peer.py encapsulate ipip|gue OUTER_DESTINATION [PORT]
      makes the device tun0 and tunnels what is routed to it; the kernel writes the outer headers
  decap_peer.py serve PORT
      answers each connection, once its sender has ended, with the SHA-256 of what it said
  decap_peer.py ask ADDRESS PORT BYTES SECONDS
      sends BYTES random bytes over SECONDS; succeeds if the answer is right
"""
import fcntl
import hashlib
import os
import socket
import struct
import sys
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
TIMEOUT_S = 2


def encapsulate(kind, destination, port="6080"):
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    if kind == "gue":
        udp = socket.socket(family, socket.SOCK_DGRAM)
    else:
        raw = {proto: socket.socket(family, socket.SOCK_RAW, proto) for proto in (4, 41)}
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"tun0", IFF_TUN | IFF_NO_PI))
    while True:
        inner = os.read(tun, 65536)
        version = inner[0] >> 4
        if version == 6 and inner[24] == 0xFF:  # the host's own multicast
            continue
        proto = 4 if version == 4 else 41
        try:
            if kind == "gue":
                udp.sendto(bytes([0, proto, 0, 0]) + inner, (destination, int(port)))
            else:
                raw[proto].sendto(inner, (destination, 0))
        except ConnectionRefusedError:
            pass  # nobody ends the tunnel: that is for the test to notice


def answer(connection):
    digest = hashlib.sha256()
    try:
        while block := connection.recv(65536):
            digest.update(block)
        connection.sendall(digest.digest())
    except OSError:
        pass
    connection.close()


def serve(port):
    listener = socket.create_server(("::", int(port)), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def ask(address, port, size, seconds):
    said = os.urandom(int(size))
    steps = max(1, int(float(seconds) * 20))
    step = len(said) // steps + 1
    try:
        with socket.create_connection((address, int(port)), timeout=TIMEOUT_S) as connection:
            for start in range(0, len(said), step):
                connection.sendall(said[start : start + step])
                time.sleep(float(seconds) / steps)
            connection.shutdown(socket.SHUT_WR)
            return connection.recv(32, socket.MSG_WAITALL) == hashlib.sha256(said).digest()
    except OSError:
        return False


if __name__ == "__main__":
    command = {"encapsulate": encapsulate, "serve": serve, "ask": ask}[sys.argv[1]]
    sys.exit(command(*sys.argv[2:]) is False)
