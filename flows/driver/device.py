"""The driver: loads a compiled network once, then runs one image after the other."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from codegen.cycles import MemoryTiming, predict
from codegen.lower import CompiledNetwork
from flows.bench_script import ending
from flows.driver.link import Link
from hw.csr import CONTROL_BITS, COUNTERS, OFFSETS, STATUS_BITS, VERSION
from ir.errors import ConfigError, MismatchError

SLACK = 4
"""A job that takes so many times its prediction hangs."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One image. codes: (M, H, W) of the network's output. cycles: START to irq, as the overlay
    counted them. counters: all of its counters.
    """

    codes: np.ndarray
    cycles: int
    counters: Mapping[str, int]


class Driver:
    """Drives one network on the device behind a link.

    Parameters
    ----------
    link : the device
    network : compiled for exactly its overlay
    latency : of its memory in cycles, for the prediction that bounds a job
    """

    def __init__(self, link: Link, network: CompiledNetwork, *, latency: int) -> None:
        self.link, self.network = link, network
        self.predicted = predict(network, MemoryTiming(latency=latency)).cycles
        self.limit = SLACK * self.predicted + 10_000

    def check(self) -> None:
        """ConfigError unless the device is the overlay that the network was compiled for."""
        version = self.link.read32(OFFSETS["VERSION"])
        if version >> 16 != VERSION >> 16:
            raise ConfigError(
                f"{self.link.name}: register map {version >> 16}.{version & 0xFFFF}, this driver "
                f"knows {VERSION >> 16}"
            )
        found, wanted = self.link.read32(OFFSETS["ID"]), self.network.config.hash
        if found != wanted:
            raise ConfigError(
                f"{self.link.name}: the overlay is {found:#010x}, the network was compiled for "
                f"{wanted:#010x}; load the bitstream of this run"
            )

    def load(self) -> None:
        """Program, weights and tables into the device's memory; whatever ran there ends."""
        link = self.link
        self.check()
        link.write32(OFFSETS["CONTROL"], 1 << CONTROL_BITS["SOFT_RESET"])
        link.write32(OFFSETS["IRQ_CLEAR"], 1)
        for address, data in sorted(self.network.segments.items()):
            link.write_memory(address, data)
        for name, value in (self.network.registers | {"CYCLE_LIMIT": self.limit}).items():
            link.write32(OFFSETS[name], value)

    def run(self, image: np.ndarray) -> Outcome:
        """One image (C, H, W) of codes through the network.

        MismatchError: the job did not end, or not with DONE.
        """
        link, network = self.link, self.network
        link.write_memory(network.input_address, network.pack_input(image))
        link.write32(OFFSETS["CONTROL"], 1 << CONTROL_BITS["START"])
        ended = link.wait_irq(self.limit)
        status = link.read32(OFFSETS["STATUS"])
        if not ended or status != 1 << STATUS_BITS["DONE"]:
            address, info = (link.read32(OFFSETS[name]) for name in ("ERROR_ADDR", "ERROR_INFO"))
            reason = (
                ending(status, address, info) if ended else f"gave no irq in {self.limit} cycles"
            )
            raise MismatchError(f"{link.name}: the job {reason}")
        counters = self.counters()
        place, size = network.layers[-1].output_region
        codes = network.layers[-1].unpack_output(link.read_memory(place, size))
        link.write32(OFFSETS["IRQ_CLEAR"], 1)
        return Outcome(codes=codes, cycles=counters["CYCLES"], counters=counters)

    def counters(self) -> dict[str, int]:
        """The overlay's 64-bit counters: reading a low half holds the high one."""
        found = {}
        for name in COUNTERS:
            low = self.link.read32(OFFSETS[name])
            found[name] = low | self.link.read32(OFFSETS[f"{name}_HI"]) << 32
        return found
