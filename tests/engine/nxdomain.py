"""A name server that knows no name: without it each look-up in the namespace hangs instead of failing."""

import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    query, peer = server.recvfrom(4096)
    end = 12
    while end < len(query) and query[end]:
        end += query[end] + 1
    server.sendto(query[:2] + b"\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00" + query[12 : end + 5], peer)
