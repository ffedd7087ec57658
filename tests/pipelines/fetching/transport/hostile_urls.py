"""URLs that lead, or try to lead, to what is not public. Data for tests of every layer of the transport.

`{port}` stands for the port of a listener at 127.0.0.1 and ::1 that must never see a connection. A test lets
`FRIENDLY_ADDRESS` stand for the public internet (`Guard(allow=FRIENDLY)`) and nothing else.
"""

import socket

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver

FRIENDLY_ADDRESS = "127.0.0.2"
FRIENDLY = (f"{FRIENDLY_ADDRESS}/32",)

LOOPBACK = """
http://127.0.0.1:{port}/1.jpg
https://127.0.0.1:{port}/1.jpg
HTTP://127.0.0.1:{port}/1.jpg
http://127.0.0.1.:{port}/1.jpg
http://127.0.0.1..:{port}/1.jpg
http://127.1:{port}/
http://127.0.1:{port}/
http://2130706433:{port}/
http://0x7f000001:{port}/
http://0x7F.0x0.0x0.0x1:{port}/
http://0x7f.1:{port}/
http://017700000001:{port}/
http://0177.0.0.1:{port}/
http://0177.0.0.01:{port}/
http://00000177.0.0.1:{port}/
http://127.0.0.001:{port}/
http://127.0x0.0.1:{port}/
http://127.0.0.1%00.example:{port}/
http://127.0.0.1%2eexample:{port}/
http://%31%32%37.0.0.1:{port}/
http://127%2e0%2e0%2e1:{port}/
http://①②⑦.⓪.⓪.①:{port}/
http://１２７.０.０.１:{port}/
http://127。0。0。1:{port}/
http://127．0．0．1:{port}/
http://127｡0｡0｡1:{port}/
http://𝟏𝟐𝟕.𝟎.𝟎.𝟏:{port}/
http://127.0.0.3:{port}/
http://127.255.255.254:{port}/
http://0:{port}/
http://0.0.0.0:{port}/
http://0.0.0.1:{port}/
http://0x0:{port}/
http://00:{port}/
http://localhost:{port}/
http://LOCALHOST:{port}/
http://localhost.:{port}/
http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:{port}/
http://ｌｏｃａｌｈｏｓｔ:{port}/
http://loc%61lhost:{port}/
http://lo\u00adcalhost:{port}/
http://[::1]:{port}/
http://[0:0:0:0:0:0:0:1]:{port}/
http://[0000:0000:0000:0000:0000:0000:0000:0001]:{port}/
http://[::0001]:{port}/
http://[::]:{port}/
http://[::1%25lo]:{port}/
http://[::1%lo]:{port}/
http://[::0.0.0.1]:{port}/
http://%6c%6f%63alhost:{port}/
http://%EF%BD%8Cocalhost:{port}/
http://l%C2%ADocalhost.:{port}/
http://0300.0250.1:{port}/
http://0x7f.0.0.0x1.:{port}/
http://127.0.0.1\u3002:{port}/
http://127.65536:{port}/
http://127.0.0.1:{port}/../../x/%2e%2E/
"""
EMBEDDED = """
http://[::ffff:127.0.0.1]:{port}/
http://[::ffff:7f00:1]:{port}/
http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/
http://[::FFFF:7F00:0001]:{port}/
http://[::ffff:0.0.0.0]:{port}/
http://[::ffff:10.0.0.1]:{port}/
http://[::ffff:169.254.169.254]:{port}/
http://[::127.0.0.1]:{port}/
http://[::7f00:1]:{port}/
http://[::ffff:0:127.0.0.1]:{port}/
http://[64:ff9b::127.0.0.1]:{port}/
http://[64:ff9b::10.0.0.1]:{port}/
http://[64:ff9b::a9fe:a9fe]:{port}/
http://[64:ff9b:1::127.0.0.1]:{port}/
http://[2002:7f00:1::]:{port}/
http://[2002:a00:1::1]:{port}/
http://[2002:a9fe:a9fe::]:{port}/
http://[2001:0:7f00:1::80ff:fffe]:{port}/
http://[2001::1]:{port}/
"""
NOT_PUBLIC = """
http://10.0.0.1:{port}/
http://10.255.255.255:{port}/
http://172.16.0.1:{port}/
http://172.31.255.254:{port}/
http://192.168.0.1:{port}/
http://192.168.1.254:{port}/
http://100.64.0.1:{port}/
http://100.100.100.200/latest/meta-data/
http://168.63.129.16/machine?comp=goalstate
http://169.254.169.254/latest/meta-data/
http://169.254.170.2/v2/credentials
http://2852039166/latest/meta-data/
http://0xa9fea9fe/latest/meta-data/
http://0251.0376.0251.0376/latest/meta-data/
http://169.254.1.1:{port}/
http://192.0.0.1:{port}/
http://192.0.0.192/opc/v2/
http://192.0.2.1:{port}/
http://192.88.99.1:{port}/
http://198.18.0.1:{port}/
http://198.19.255.255:{port}/
http://198.51.100.1:{port}/
http://203.0.113.1:{port}/
http://224.0.0.1:{port}/
http://239.255.255.250:1900/
http://240.0.0.1:{port}/
http://255.255.255.255:{port}/
http://[fc00::1]:{port}/
http://[fd00::1]:{port}/
http://[fd00:ec2::254]/latest/meta-data/
http://[fd20:ce::254]/computeMetadata/v1/
http://[fe80::1]:{port}/
http://[fe80::1%25eth0]:{port}/
http://[fe80::a9fe:a9fe]:{port}/
http://[fec0::1]:{port}/
http://[ff02::1]:{port}/
http://[ff0e::1]:{port}/
http://[100::1]:{port}/
http://[2001:2::1]:{port}/
http://[2001:10::1]:{port}/
http://[2001:20::1]:{port}/
http://[2001:db8::1]:{port}/
http://[3fff::1]:{port}/
http://[5f00::1]:{port}/
http://[4000::1]:{port}/
"""
UNCLEAR = r"""
http://127.0.0.1:{port}\@friendly.example/
http://friendly.example\@127.0.0.1:{port}/
http://friendly.example@127.0.0.1:{port}/
http://friendly.example:80@127.0.0.1:{port}/
http://friendly.example%40127.0.0.1:{port}/
http://friendly.example&@127.0.0.1:{port}/
http:\\127.0.0.1:{port}\
http:/\127.0.0.1:{port}/
http:127.0.0.1:{port}/
http:/127.0.0.1:{port}/
http:///127.0.0.1:{port}/
http://///127.0.0.1:{port}/
//127.0.0.1:{port}/
http://127.0.0.1:{port}#@friendly.example/
http://127.0.0.1:{port}?@friendly.example/
http://127.0.0.1:{port};@friendly.example/
http://[::ffff:127.0.0.1]friendly.example:{port}/
http://[127.0.0.1]:{port}/
http://[v1.127.0.0.1]:{port}/
ftp://127.0.0.1:{port}/
gopher://127.0.0.1:{port}/_GET
file:///etc/passwd
ws://127.0.0.1:{port}/
jar:http://127.0.0.1:{port}/!/
view-source:http://127.0.0.1:{port}/
data:image/gif;base64,R0lGODlhAQABAAAAACw=
"""
UNREADABLE = r"""
http://[1::2::3]/x
http://[1::2::3]:{port}/x
http://[::1/
http://[::1]]:{port}/
http://[]:{port}/
http://[127.0.0.1::]/
http://friendly.example:{port}{port}/
http://friendly.example:-1/
http://friendly.example:{port}:{port}/
http://friendly.example:1e3/
http://friendly.example:٨٠/
http://friendly.example:%38%30/
http://friendly..example:{port}/
http://.friendly.example:{port}/
http://friendly.example%2f@127.0.0.1:{port}/
http://friendly.example%3a{port}/
http://friendly.example%00:{port}/
http://friendly.example%ff:{port}/
http://friendly.example%zz:{port}/
http://friendly.exam\u2f27ple:{port}/
http://1.2.3.4.5:{port}/
http://127.0.0.256:{port}/
http://4294967296:{port}/
http://0x100000000:{port}/
http://127.0.0.08:{port}/
http://127.0.0.1.0x:{port}/
http://xn--\u00fc.\ufffe:{port}/
http://:{port}/
http://:@:{port}/
http://%:{port}/
http://?
http://#
http://
http:
:
"""
NAMED = """
http://loopback.example:{port}/
http://loopback6.example:{port}/
http://every-loopback.example:{port}/
http://mapped.example:{port}/
http://nat64.example:{port}/
http://sixtofour.example:{port}/
http://any.example:{port}/
http://private.example:{port}/
http://metadata.example/latest/meta-data/
http://scoped.example:{port}/
http://short.example:{port}/
http://number.example:{port}/
http://name.example:{port}/
http://nothing.example:{port}/
http://LOOPBACK.example.:{port}/
"""
CONTROLS = (
    "http://127.0.0.1\t:{port}/",
    "http://127.0\n.0.1:{port}/",
    "\x00http://127.0.0.1:{port}/",
    " http://127.0.0.1:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "http://127.0.0.1 :{port}/",
    "http://friendly.example\r\nHost: 127.0.0.1:{port}/",
    "http://127.0.0.1:\u2029{port}/",
    "http://127.0.0.1:{port}/\udcff",
    "http://127.0.0.1\udcff:{port}/",
    "http://127.0.0.1:{port}/\x00",
)
LONG = (
    "http://" + "a" * 1_000_000 + ":{port}/",
    "http://friendly.example/" + "a" * 1_000_000,
    "http://" + "\u00fc" * 1_000_000,
    "http://" + "[" * 100_000,
    "http://" + "@" * 100_000,
    "a" * 1_000_000,
)
"""No header can hold these: a redirect to them is no answer at all."""
PORTS = tuple(f"http://friendly.example:{port}/" for port in (0, 22, 25, 110, 143, 587, 6000, 6667, 10080, 65536))

HOSTILE = (*(LOOPBACK + EMBEDDED + NOT_PUBLIC + UNCLEAR + UNREADABLE + NAMED).split("\n"), *CONTROLS, *LONG, *PORTS)
HOSTILE = tuple(dict.fromkeys(url for url in HOSTILE if url))

ANSWERS = {
    "loopback.example": ("127.0.0.1",),
    "loopback6.example": ("::1",),
    "every-loopback.example": ("127.0.0.1", "::1"),
    "mapped.example": ("::ffff:127.0.0.1",),
    "nat64.example": ("64:ff9b::7f00:1",),
    "sixtofour.example": ("2002:7f00:1::1",),
    "any.example": ("0.0.0.0", "::"),
    "private.example": ("10.0.0.1", "192.168.1.1", "fd00::1"),
    "metadata.example": ("169.254.169.254",),
    "scoped.example": ("fe80::1%lo", "::1%lo"),
    "short.example": ("127.1",),
    "number.example": ("2130706433",),
    "name.example": ("localhost",),
    "nothing.example": (),
    "friendly.example": (FRIENDLY_ADDRESS,),
    "mixed.example": ("127.0.0.1", FRIENDLY_ADDRESS, "::1"),
}


class HostileResolver(AbstractResolver):
    """Answers for the names above. `changes.example` is friendly once and 127.0.0.1 from then on.

    Other names are the system's to read, in numbers that only it understands for instance; names in DNS it is not
    asked for.
    """

    def __init__(self) -> None:
        self.num_changes = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        name = host.lower().rstrip(".")
        if name == "changes.example":
            self.num_changes += 1
            return [_answer(host, FRIENDLY_ADDRESS if self.num_changes == 1 else "127.0.0.1", port)]
        if name in ANSWERS:
            return [_answer(host, address, port) for address in ANSWERS[name]]
        if name.rpartition(".")[2] == "example":
            raise OSError(f"{host} does not exist")
        return await ThreadedResolver().resolve(host, port, family)

    async def close(self) -> None:
        pass


def _answer(host, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": 0}
