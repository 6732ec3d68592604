#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""socket_activate.py PORT COMMAND...: runs COMMAND with a socket listening on 127.0.0.1:PORT as
file descriptor 3, the way systemd does (LISTEN_FDS, LISTEN_PID). The socket stays in the network
namespace it was made in, also if COMMAND enters another one: so a daemon in a namespace can be
reached from here. Without COMMAND: only tries. Exit status 98: the port is taken."""
import os
import socket
import sys

port, command = int(sys.argv[1]), sys.argv[2:]
listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
try:
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
except OSError as error:
    print(f"127.0.0.1:{port}: {error.strerror}", file=sys.stderr)
    sys.exit(98)
if not command:
    sys.exit(0)
os.dup2(listener.fileno(), 3)
os.set_inheritable(3, True)  # dup2 does not do so where the socket was 3 before
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execvp(command[0], command)
