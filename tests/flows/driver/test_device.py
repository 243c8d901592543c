"""The driver against a device in Python: what it checks before and after a job."""

from __future__ import annotations

import numpy as np
import pytest

from codegen.lower import CompiledNetwork, lower
from flows.driver.device import Driver
from hw.csr import CODE_SHIFT, COUNTERS, OFFSETS, STATUS_BITS, VERSION, Code
from hw.overlays.bit_serial import BitSerial
from ir.errors import ConfigError, MismatchError
from tests.codegen.networks import mlp

CONFIG = BitSerial(dm=2, dk=8, dn=1, lhs_depth=512, rhs_depth=512)
NAMES = {offset: name for name, offset in OFFSETS.items()}
DONE = 1 << STATUS_BITS["DONE"]


class Fake:
    """A link to registers and memory; START ends with `status`."""

    name = "fake"

    def __init__(self, network: CompiledNetwork, status: int = DONE) -> None:
        self.values = {"ID": network.config.hash, "VERSION": VERSION, "STATUS": 0}
        self.values |= {"ERROR_ADDR": 0x40, "ERROR_INFO": 3}
        for index, name in enumerate(COUNTERS):
            self.values |= {name: index + 1, f"{name}_HI": index}
        self.status, self.ends = status, True
        self.memory = bytearray(network.memory_bytes)
        self.written: list[str] = []

    def read32(self, offset: int) -> int:
        return self.values[NAMES[offset]]

    def write32(self, offset: int, value: int) -> None:
        name = NAMES[offset]
        self.written.append(name)
        if name == "CONTROL" and value == 1:
            self.values["STATUS"] = self.status
        elif name not in ("CONTROL", "IRQ_CLEAR"):
            self.values[name] = value

    def read_memory(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def write_memory(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data

    def wait_irq(self, cycles: int) -> bool:
        self.waited = cycles
        return self.ends


@pytest.fixture(scope="module")
def network() -> CompiledNetwork:
    return lower(mlp(width=4, bits=2), CONFIG)


IMAGE = np.arange(64).reshape(1, 8, 8) % 16


def test_loading_writes_every_image_and_register(network: CompiledNetwork) -> None:
    fake = Fake(network)
    driver = Driver(fake, network, latency=2)
    driver.load()
    for address, data in network.segments.items():
        assert fake.memory[address : address + len(data)] == data
    assert fake.values["MEM_LIMIT"] == network.memory_bytes
    assert fake.values["CYCLE_LIMIT"] == driver.limit > 4 * driver.predicted
    assert fake.written[:2] == ["CONTROL", "IRQ_CLEAR"]


def test_running_reads_result_and_64_bit_counters(network: CompiledNetwork) -> None:
    fake = Fake(network)
    driver = Driver(fake, network, latency=2)
    place, size = network.layers[-1].output_region
    fake.memory[place : place + size] = bytes(range(size))
    found = driver.run(IMAGE)
    packed = network.pack_input(IMAGE)
    assert fake.memory[network.input_address :][: len(packed)] == packed
    expected = network.layers[-1].unpack_output(bytes(range(size)))
    assert np.array_equal(found.codes, expected)
    assert list(found.counters.values()) == [(i << 32) + i + 1 for i in range(len(COUNTERS))]
    assert found.cycles == found.counters["CYCLES"] == 1
    assert fake.written == ["CONTROL", "IRQ_CLEAR"] and fake.waited == driver.limit


@pytest.mark.parametrize(
    ("register", "value", "message"),
    [
        ("ID", 0x1234, "fake: the overlay is 0x00001234, the network was compiled for 0x"),
        ("VERSION", 9 << 16 | 1, "fake: register map 9.1, this driver knows 2"),
    ],
)
def test_another_overlay_is_not_driven(
    network: CompiledNetwork, register: str, value: int, message: str
) -> None:
    fake = Fake(network)
    fake.values[register] = value
    with pytest.raises(ConfigError, match=message):
        Driver(fake, network, latency=2).load()
    assert not fake.written


def test_a_job_that_fails_or_hangs(network: CompiledNetwork) -> None:
    failed = 1 << STATUS_BITS["ERROR"] | Code.READ_WINDOW << CODE_SHIFT
    message = "fake: the job ended in ERROR, READ_WINDOW: .* address 0x40, fetch stage, instr.* 3"
    with pytest.raises(MismatchError, match=message):
        Driver(Fake(network, failed), network, latency=2).run(IMAGE)
    fake = Fake(network, 0)
    fake.ends = False
    with pytest.raises(MismatchError, match=r"fake: the job gave no irq in \d+ cycles"):
        Driver(fake, network, latency=2).run(IMAGE)
