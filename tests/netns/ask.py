#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What a client's own stack makes of an answer: one packet, one word.

  ask.py tcp|udp ADDRESS PORT [TTL]

Prints the name of the error (ECONNREFUSED, EHOSTUNREACH), "connected", the datagram that came back,
or "nothing" after three seconds. The stack has verified every checksum of what it tells about.
"""
import errno
import socket
import sys

PATIENCE = 3
IP_RECVERR = 11
IPV6_RECVERR = 25


def ask(kind, address, port, ttl):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    level, hops, errors = (
        (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, IPV6_RECVERR)
        if family == socket.AF_INET6
        else (socket.IPPROTO_IP, socket.IP_TTL, IP_RECVERR)
    )
    udp = kind == "udp"
    with socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM) as peer:
        peer.settimeout(PATIENCE)
        peer.setsockopt(level, hops, ttl)
        if udp:
            # Else a soft error such as time exceeded is not told.
            peer.setsockopt(level, errors, 1)
        peer.connect((address, port))
        if not udp:
            return "connected"
        peer.send(b"once")
        return peer.recv(2048).decode()


def main():
    kind, address, port = sys.argv[1:4]
    ttl = int(sys.argv[4]) if len(sys.argv) > 4 else 64
    try:
        print(ask(kind, address, int(port), ttl))
    except socket.timeout:
        print("nothing")
    except OSError as error:
        print(errno.errorcode.get(error.errno, error.errno))


main()
