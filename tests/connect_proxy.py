"""A CONNECT proxy, run as a process of its own: `python connect_proxy.py PORT [STATUS]`.

Whatever name it is asked for, it opens a tunnel to that port of this machine; with a status it answers that instead. It
prints the port that the system gave it, then a line of JSON for each request, before it answers.
"""

import json
import socket
import sys
import threading


def main(target: int, status: str | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            threading.Thread(target=served, args=(client, target, status), daemon=True).start()


def served(client: socket.socket, target: int, status: str | None) -> None:
    with client:
        asked = head_of(client)
        if asked:
            print(json.dumps(asked), flush=True)
            answered(client, target, status)


def answered(client: socket.socket, target: int, status: str | None) -> None:
    if status is not None:
        client.sendall(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode())
        return
    with socket.create_connection(("127.0.0.1", target)) as there:
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=passed_on, args=(there, client))
        back.start()
        passed_on(client, there)
        back.join()


def head_of(client: socket.socket) -> list[str]:
    """The lines of a request, which a client sends nothing behind before it is answered."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = client.recv(65_536)
        if not piece:
            return []
        head += piece
    return head.decode().splitlines()[:-1]


def passed_on(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:  # the other direction ended first
        return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
