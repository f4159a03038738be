"""A home behind a router that translates: phones in a network of their own, the kernel's NAT before them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from tests.interop.netns import entered
from tests.interop.waiting import wait_for

SERVER, OUTSIDE = "203.0.113.1", "203.0.113.2"
ROUTER, HOME = "192.168.7.1", "192.168.7.10"


class _Net:
    """A network that lives as long as a process sleeps in it."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["unshare", "--net", "sleep", "120"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._apart, 5, "no network of its own")
        self.inside = ("nsenter", "-t", str(self.process.pid), "-n")

    def _apart(self) -> bool:
        words = subprocess.run(["readlink", f"/proc/{self.process.pid}/ns/net", "/proc/thread-self/ns/net"],
                               capture_output=True, text=True, check=False).stdout.split()  # fmt: skip
        return len(set(words)) == 2

    def run(self, command: str) -> None:
        subprocess.run([*self.inside, "sh", "-ec", command], check=True, capture_output=True)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(5)


class Home:
    """Phones at 192.168.7.10; the world sees 203.0.113.2 with ports that the router chooses."""

    def __init__(self, router: _Net, home: _Net) -> None:
        self._router, self._home = router, home
        self.inside = self._home.inside
        for command in (
            f"ip link add out type veth peer name wan netns {router.process.pid}",
            f"ip addr add {SERVER}/24 dev out",
            "ip link set out up",
        ):
            subprocess.run(command.split(), check=True)
        self._router.run(
            f"ip link add lan type veth peer name net netns {home.process.pid}\n"
            f"ip addr add {OUTSIDE}/24 dev wan; ip addr add {ROUTER}/24 dev lan\n"
            "ip link set wan up; ip link set lan up; ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward"
        )
        self._home.run(
            f"ip addr add {HOME}/24 dev net; ip link set net up; ip link set lo up; ip route add default via {ROUTER}"
        )
        self.translate(30_000)

    def translate(self, first_port: int) -> None:
        """Give what goes out ports from *first_port* on, and forget who had which: a router that started again."""
        self._router.run(
            "iptables -t nat -F POSTROUTING\n"
            f"iptables -t nat -A POSTROUTING -o wan -p udp -j MASQUERADE --to-ports {first_port}-{first_port + 999}\n"
            "iptables -t nat -A POSTROUTING -o wan -j MASQUERADE\n"
            "ip link set wan down; ip link set wan up"  # what a link had is forgotten with it
        )

    def entered(self) -> AbstractContextManager[None]:
        return entered(self._home.process.pid)


@contextmanager
def home() -> Iterator[Home]:
    with ExitStack() as stack:
        nets = [_Net(), _Net()]
        for net in nets:
            stack.callback(net.stop)
        yield Home(*nets)
