"""The way from outside to a tunnel, on this machine: names of tunnels, TLS, and a cloudflared that forwards.

    us -- CONNECT NAME:443 --> Internet (a proxy) -- TLS for NAME ends here --> cloudflared's own port --> our port

Whoever opens a tunnel reaches it as through a company's proxy, which HTTPS_PROXY names, and trusts its authority, which
SSL_CERT_FILE names. `fake_cloudflared` is a program: it takes cloudflared's arguments, prints what that prints, and
does on each start what its plan says next.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import stat
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from patter_cli.server.round_trip import Way

PROGRAM = '''#!{python} -IS
"""Takes cloudflared's arguments and does what the plan says."""
import json, os, pathlib, signal, socket, subprocess, sys, threading, time

FOLDER = pathlib.Path({folder!r})
if "--version" in sys.argv:
    print("cloudflared version 2026.1.0 (built for tests)")
    sys.exit()
plan = json.loads((FOLDER / "plan.json").read_text())
number = len(list(FOLDER.glob("start-*")))
kind = plan[min(number, len(plan) - 1)]
(FOLDER / f"start-{{number}}").write_text(json.dumps({{"pid": os.getpid(), "argv": sys.argv}}))
port = int(sys.argv[sys.argv.index("--url") + 1].rpartition(":")[2])
host = f"tunnel-{{number}}.trycloudflare.com"


def say(text):
    print(f"2026-11-28T02:00:00Z {{text}}", file=sys.stderr, flush=True)


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def carry(client):
    begun = client.recv(65536)
    if kind == "no websockets" and b"upgrade: websocket" in begun.lower():
        client.sendall(b"HTTP/1.1 400 Bad Request\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n")
        client.close()
        return
    try:
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        client.sendall(b"HTTP/1.1 502 Bad Gateway\\r\\ncontent-length: 0\\r\\nconnection: close\\r\\n\\r\\n")
        client.close()
        return
    server.sendall(begun)
    threading.Thread(target=pump, args=(server, client), daemon=True).start()
    pump(client, server)


def forward(listener):
    while True:
        threading.Thread(target=carry, args=(listener.accept()[0],), daemon=True).start()


say("INF Requesting new quick Tunnel on trycloudflare.com...")
if kind == "fails":
    say('ERR Error unmarshaling QuickTunnel response: error code: 1015 status_code="429 Too Many Requests"')
    sys.exit(1)
if kind == "no network":
    say('failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": dial tcp: no such host')
    sys.exit(1)
if kind == "hangs":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(600)
if kind == "garbage":
    while True:
        sys.stdout.buffer.write(os.urandom(4096))
        sys.stdout.flush()
        time.sleep(0.001)
helper = subprocess.Popen(["sleep", "600"])
(FOLDER / f"helper-{{number}}").write_text(str(helper.pid))
if kind not in ("unreachable", "ends"):
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=forward, args=(listener,), daemon=True).start()
    (FOLDER / "hosts" / host).write_text(str(listener.getsockname()[1]))
say(f"INF |  https://{{host}}                                                |")
say("INF Registered tunnel connection connIndex=0 protocol=quic")
if kind == "ends":
    time.sleep(0.2)
    say("ERR the edge has thrown us out")
    sys.exit(3)
if kind == "floods":
    line = b"2026-11-28T02:00:00Z ERR https://noise.trycloudflare.com cannot be reached again\\n" * 1000
    for _ in range(1 + 100 * 1024 * 1024 // len(line)):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.write(b"x" * 1_000_000)
    sys.stdout.flush()
    (FOLDER / "flooded").touch()
time.sleep(600)
'''


class FakeCloudflared:
    """A program of that name in a folder that stands first on PATH."""

    def __init__(self, folder: Path, *plan: str) -> None:
        """plan: works, fails, no network, hangs, garbage, unreachable, "no websockets", floods or ends: for each start,
        the last for all that follow."""
        self.folder = folder / "cloudflared"
        (self.folder / "bin").mkdir(parents=True)
        (self.folder / "hosts").mkdir()
        self.program = self.folder / "bin" / "cloudflared"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=str(self.folder)))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        self.plan(*plan)

    def plan(self, *plan: str) -> None:
        (self.folder / "plan.json").write_text(json.dumps(plan))

    @property
    def starts(self) -> list[dict[str, object]]:
        """pid and argv of each start."""
        found = sorted(self.folder.glob("start-*"), key=lambda each: int(each.name.rpartition("-")[2]))
        return [json.loads(each.read_text()) for each in found]

    def alive(self) -> set[int]:
        """Its processes that are there, those that it has started among them."""
        helpers = {int(each.read_text()) for each in self.folder.glob("helper-*")}
        return {pid for pid in helpers | {int(str(each["pid"])) for each in self.starts} if _runs(pid)}


def _runs(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


class Internet:
    """A proxy that ends TLS for every tunnel's name; a thread of its own, so that nothing here waits for it."""

    def __init__(self, folder: Path, fake: FakeCloudflared) -> None:
        self._hosts = fake.folder / "hosts"
        self.authority = folder / "authority.pem"
        self._tls = _certified(self.authority, folder / "key.pem")
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self.port = 0
        self.tls_port = 0
        """Where TLS for tunnel-0 is ended without a proxy before it."""

    @property
    def way(self) -> Way:
        """How a prober of this process gets there."""
        return Way(proxy=f"http://127.0.0.1:{self.port}", tls=ssl.create_default_context(cafile=self.authority))

    def environment(self) -> dict[str, str]:
        """For a process of its own: how it gets there, and finds our cloudflared."""
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{self.port}",
            "SSL_CERT_FILE": str(self.authority),
            "PATH": f"{self._hosts.parent / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }

    def __enter__(self) -> Internet:
        self._loop.run_until_complete(self._listen())
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _listen(self) -> None:
        proxy = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        direct = await asyncio.start_server(self._direct, "127.0.0.1", 0, ssl=self._tls)
        self._servers = [proxy, direct]
        self.port, self.tls_port = (each.sockets[0].getsockname()[1] for each in self._servers)

    async def _direct(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int((self._hosts / "tunnel-0.trycloudflare.com").read_text())
        far, near = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(pump(reader, near), pump(far, writer))

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            asked = (await reader.readuntil(b"\r\n\r\n")).decode().split()
            host = asked[1].rpartition(":")[0]
            try:
                port = int((self._hosts / host).read_text())
                far, near = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                writer.write(b"HTTP/1.1 502 no such host\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 connected\r\n\r\n")
                await writer.drain()
                await writer.start_tls(self._tls)
                await asyncio.gather(pump(reader, near), pump(far, writer))
        writer.close()


async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError, RuntimeError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


def _certified(authority: Path, key_file: Path) -> ssl.SSLContext:
    """TLS for every quick tunnel, by an authority of ours whose certificate is written to a file."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    day, now = timedelta(days=1), datetime.now(UTC)

    def begun(name: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(root_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        )

    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    root = begun(root_name, root_key.public_key()).add_extension(x509.BasicConstraints(True, None), critical=True)
    authority.write_bytes(root.add_extension(usage, critical=True).sign(root_key, hashes.SHA256()).public_bytes(_PEM))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "trycloudflare.com")])
    names = x509.SubjectAlternativeName([x509.DNSName("*.trycloudflare.com"), x509.DNSName("*.ngrok-free.app")])
    leaf = begun(name, key.public_key()).add_extension(names, critical=False).sign(root_key, hashes.SHA256())
    private = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(leaf.public_bytes(_PEM) + private)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(key_file)
    return tls


_PEM = serialization.Encoding.PEM
