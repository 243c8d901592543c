"""A simulated overlay with its memory as a device: in the C++ harness, or under cocotb.

The simulator is another process that connects to a socket of ours and does what it is told, a line
at a time; between two lines its time stands still.

    put OFFSET VALUE     write a register. Answer: RESPONSE
    get OFFSET           Answer: RESPONSE VALUE
    store ADDRESS HEX    bytes into the memory. Answer: 0
    load ADDRESS BYTES   Answer: HEX
    irq CYCLES           run until irq is high, at most so long. Answer: 1 or 0
    end

"failed WORDS" instead of an answer is a finding of the bench (flows/bench_script.py).
"""

import contextlib
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flows import cocotb_run, toolchain
from flows.bench import Bench
from flows.bench_script import RESPONSES, finding
from flows.sim_design import SIM_TESTS, Design, overlay_design
from flows.simulator import DEFAULT_CACHE, build
from ir.errors import ToolError
from ir.files import read_text

LIVE_SOURCES = ("live.cpp", "device.h", "memory.h", "script.h")
MOST_BYTES = 32768  # of memory in a line
START_TIMEOUT_S = 60.0
CYCLES_A_LINE = 100_000
LINE_TIMEOUT_S = 600.0
END_S = 10.0
"""For a simulator under cocotb to notice that its driver is gone, and to end."""

POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class LiveLink:
    """The link to a simulator. Made by `harness_link` and `cocotb_link`."""

    name: str
    bench: Bench
    connection: socket.socket
    log: Path

    def read32(self, offset: int) -> int:
        response, value = map(int, self._ask(f"get {offset}").split())
        self._check(offset, response)
        return value

    def write32(self, offset: int, value: int) -> None:
        self._check(offset, int(self._ask(f"put {offset} {value}")))

    def read_memory(self, address: int, size: int) -> bytes:
        found = b""
        while len(found) < size:
            count = min(MOST_BYTES, size - len(found))
            found += bytes.fromhex(self._ask(f"load {address + len(found)} {count}"))
        return found

    def write_memory(self, address: int, data: bytes) -> None:
        for begin in range(0, len(data), MOST_BYTES):
            self._ask(f"store {address + begin} {data[begin : begin + MOST_BYTES].hex()}")

    def wait_irq(self, cycles: int) -> bool:
        """In parts, so that a job may take as long as it takes, and an end is noticed meanwhile."""
        for begin in range(0, cycles, CYCLES_A_LINE):
            if self._ask(f"irq {min(CYCLES_A_LINE, cycles - begin)}") == "1":
                return True
        return False

    def _check(self, offset: int, response: int) -> None:
        if response:
            answer = RESPONSES.get(response, response)
            raise ToolError(self.name, reason=f"register {offset:#x} answered {answer}")

    def _ask(self, line: str) -> str:
        try:
            self.connection.sendall(f"{line}\n".encode())
            answer = b""
            while not answer.endswith(b"\n"):
                part = self.connection.recv(65536)
                if not part:
                    raise ConnectionError("the simulator ended")
                answer += part
        except OSError as error:
            raise ToolError(
                self.name, log=self.log, reason=str(error), fix="read the log"
            ) from error
        text = answer.decode().strip()
        if text.startswith("failed "):
            raise finding(text.split()[1:], self.bench, 0)
        return text


@contextlib.contextmanager
def harness_link(
    bench: Bench, folder: Path, *, cache: str | Path = DEFAULT_CACHE
) -> Iterator[LiveLink]:
    """The overlay of `bench` in C++, its log in `folder`. ToolError: it cannot be built or run."""
    simulator = build(live_design(bench), cache=cache)
    folder.mkdir(parents=True, exist_ok=True)
    with _socket() as listener:
        log = folder / "harness.log"
        numbers = [str(bench.memory_bytes), str(bench.latency)]
        command = [str(simulator.executable), listener.getsockname(), *numbers]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
        try:
            connection = _accept(listener, lambda: process.poll() is None, command, log)
            with connection:
                yield LiveLink(name="harness", bench=bench, connection=connection, log=log)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def cocotb_link(
    bench: Bench, folder: Path, *, cache: str | Path = DEFAULT_CACHE
) -> Iterator[LiveLink]:
    """The same under cocotb, with cocotbext-axi's memory and control master."""
    design = overlay_design(bench.verilog, memory_bits=bench.memory_bits, kind="cocotb")
    simulator = build(design, cache=cache)
    with _socket() as listener:
        numbers = [str(bench.memory_bytes), str(bench.latency)]
        environment = {"BITWRIGHT_LIVE": " ".join([*numbers, listener.getsockname()])}
        errors: list[BaseException] = []

        def run() -> None:
            try:
                work = folder.absolute()  # cocotb changes its own
                cocotb_run.run_module("sim_tests.live", design.top, simulator, work, environment)
            except BaseException as error:  # it is raised again below, in the caller's thread
                errors.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        log = folder / "cocotb.log"
        try:
            with _accept(listener, thread.is_alive, ["cocotb"], log) as connection:
                yield LiveLink(name="cocotb", bench=bench, connection=connection, log=log)
                connection.sendall(b"end\n")
                thread.join()
        except ToolError as error:
            thread.join(POLL_S)
            raise (errors or [error])[0] from error
        finally:  # the connection is closed by now
            thread.join(END_S)
        if errors:
            raise errors[0]


def live_design(bench: Bench) -> Design:
    """The bench around an overlay with a main that listens."""
    found = overlay_design(bench.verilog, memory_bits=bench.memory_bits, kind="cocotb")
    return Design(
        sources={**found.sources, **{name: read_text(SIM_TESTS / name) for name in LIVE_SOURCES}},
        top=found.top,
        kind="harness",
        parameters=found.parameters,
    )


@contextlib.contextmanager
def _socket() -> Iterator[socket.socket]:
    """A listening socket, in a temporary folder: its path must be short."""
    with tempfile.TemporaryDirectory(prefix="bitwright-") as name:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(Path(name) / "s"))
            listener.listen(1)
            yield listener


def _accept(
    listener: socket.socket, alive: Callable[[], bool], command: list[str], log: Path
) -> socket.socket:
    """The simulator's connection; ToolError when it ends or takes too long instead."""
    listener.settimeout(POLL_S)
    waited = 0.0
    while waited < START_TIMEOUT_S and alive():
        with contextlib.suppress(TimeoutError):
            connection, _ = listener.accept()
            connection.settimeout(LINE_TIMEOUT_S)
            return connection
        waited += POLL_S
    tail = toolchain.last_lines(log) if log.is_file() else ""
    raise ToolError(command, None, log, "read the log", "did not connect", tail)
