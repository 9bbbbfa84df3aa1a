"""Callers who ask our agent for streams and read no more than that the answers begin, until this ends.

Their sockets hold little, as over a slow line; those of one machine would take up a whole answer.
"""

import json
import os
import socket
import time

HOST, PORT = os.environ["AGENT"], 8000
COUNT = int(os.environ["COUNT"])
# Each of these characters is twelve bytes of an event.
BODY = json.dumps({"message": " ".join(["\N{SLIGHTLY SMILING FACE}" * 10] * 2900)}, ensure_ascii=False).encode()
HEADERS = {
    **json.loads(os.environ["HEADERS"]),
    "Host": HOST,
    "Content-Type": "application/json",
    "Content-Length": len(BODY),
}
BEGUN = b"HTTP/1.1 200"

head = "\r\n".join(["POST /stream HTTP/1.1", *(f"{name}: {value}" for name, value in HEADERS.items()), "", ""])
callers = [socket.socket() for _ in range(COUNT)]
for caller in callers:
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    caller.connect((HOST, PORT))
    caller.sendall(head.encode() + BODY)
for caller in callers:
    answer = caller.recv(len(BEGUN), socket.MSG_WAITALL)
    if answer != BEGUN:
        raise SystemExit(f"the answer begins with {answer!r}")
print("unread", flush=True)
time.sleep(600)
