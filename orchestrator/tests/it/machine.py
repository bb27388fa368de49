# Joins a container to the host by a cable of its own, as another machine would be, through rtnetlink.
#   host <cable> <host's address> <machine's address> <also reached there>...   in the host's network, with the
#                                                                     machine's processes in sight (its first: 1)
#   machine <host's address> <machine's addresses>...                 in the machine's network
import socket
import struct
import sys

CREATE, REPLY = 0x600, 0x5
LINK, ADDRESS, ROUTE = 16, 20, 24
wire = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
wire.bind((0, 0))


def attribute(kind, data):
    length = 4 + len(data)
    return struct.pack("HH", length, kind) + data + b"\0" * (-length % 4)


def ask(kind, body, flags=CREATE):
    wire.send(struct.pack("IHHII", 16 + len(body), kind, flags | REPLY, 1, 0) + body)
    code = struct.unpack("i", wire.recv(65536)[16:20])[0]
    if code:
        raise OSError(-code, f"rtnetlink refused a message of kind {kind}")


def name(text):
    return attribute(3, text.encode() + b"\0")


def link(index=0, up=0):
    return struct.pack("BxHiII", 0, 0, index, up, up)


def bring_up(device):
    ask(LINK, link(socket.if_nametoindex(device), 1), 0)


def address(device, text, bits):
    number = socket.inet_aton(text)
    head = struct.pack("BBBBI", socket.AF_INET, bits, 0, 0, socket.if_nametoindex(device))
    ask(ADDRESS, head + attribute(2, number) + attribute(1, number))


def route(text, bits, gateway):
    head = struct.pack("BBBBBBBBI", socket.AF_INET, bits, 0, 0, 254, 4, 0, 1, 0)
    target = attribute(1, socket.inet_aton(text)) if bits else b""
    ask(ROUTE, head + target + attribute(5, socket.inet_aton(gateway)))


role, *rest = sys.argv[1:]
if role == "host":
    cable, near, far, *behind = rest
    peer = attribute(1, link() + name("eth0") + attribute(19, struct.pack("I", 1)))
    ask(LINK, link() + name(cable) + attribute(18, attribute(1, b"veth") + attribute(2, peer)))
    bring_up(cable)
    address(cable, near, 30)
    for other in behind:
        route(other, 32, far)
else:
    gateway, first, *others = rest
    bring_up("eth0")
    address("eth0", first, 30)
    for other in others:
        address("eth0", other, 32)
    route("0.0.0.0", 0, gateway)
