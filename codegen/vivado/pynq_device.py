"""bitwright on PYNQ: this file, regmap.py and network/ are all that a board needs.

    from pynq import Overlay
    from bitwright_pynq import Device, Network

    device = Device(Overlay("bitwright.bit").overlay, Network("network"))
    codes, counters = device.run(image)        # image: (C, H, W) integers

The device has five methods: read32, write32, read_memory, write_memory and wait_irq. Memory is one
contiguous buffer; addresses in the network's files begin at 0, and the program is moved to where
the buffer lies. Needs numpy and pynq alone.
"""

import json
import time
from pathlib import Path

import numpy as np
import regmap  # type: ignore  # written beside this file

START, SOFT_RESET = 1, 4
DONE, ENDED = 0b10, 0b1110
POLL_S = 0.0001
WAIT_S = 10.0
PAGE_BYTES = 4096


class Network:
    """What `bitwright export` wrote for one network.

    folder: with network.json and the images that it names.
    """

    def __init__(self, folder):
        folder = Path(folder)
        facts = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        self.overlay_id = facts["overlay_id"]
        self.memory_bytes = facts["memory_bytes"]
        self.program_address = facts["program"]["address"]
        self.program_words = facts["program"]["words"]
        self.address_bits = facts["program"]["address_bits"]
        self.input, self.output = facts["input"], facts["output"]
        self.segments = {
            segment["address"]: (folder / segment["file"]).read_bytes()
            for segment in facts["segments"]
        }

    def moved(self, base):
        """{address from 0: bytes} for a memory that begins at `base`."""
        program = self.segments[self.program_address]
        shift = sum(base << bit for bit in self.address_bits)
        number = int.from_bytes(program, "little") + shift
        return {**self.segments, self.program_address: number.to_bytes(len(program), "little")}

    def pack(self, image):
        """Codes (C, H, W) -> the bytes of the input: per pixel its digit-planes, highest first."""
        facts = self.input
        codes = np.asarray(image, dtype=np.int64).reshape(facts["shape"])
        if codes.min() < facts["min"] or codes.max() > facts["max"]:
            raise ValueError(f"codes must be {facts['min']} to {facts['max']}")
        channels, height, width = codes.shape
        digits, size = facts["digits"], facts["digit_bits"]
        values = (codes > 0 if facts["bipolar"] else codes).reshape(channels, -1).T.astype(np.int64)
        bits = np.zeros((height * width, digits, facts["plane_bits"]), np.uint8)
        for digit in range(digits):
            for bit in range(size):
                plane = values >> (size * digit + bit) & 1
                bits[:, digits - 1 - digit, bit : channels * size : size] = plane
        raw = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
        return raw + bytes(-len(raw) % facts["bus_bytes"])

    def unpack(self, raw):
        """The bytes of the output -> codes (M, H, W)."""
        facts = self.output
        rows, height, width = facts["shape"]
        if facts["elements"]:
            found = np.frombuffer(raw, "<i4", count=rows * height * width)
            codes = found.reshape(height, width, rows).transpose(2, 0, 1).astype(np.int64)
        else:
            codes = self._unpack_planes(raw)
        sorted_codes = np.empty_like(codes)
        sorted_codes[facts["order"]] = codes
        return sorted_codes

    def _unpack_planes(self, raw):
        facts = self.output
        rows, height, width = facts["shape"]
        digits, size = facts["digits"], facts["digit_bits"]
        bits = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little")
        planes = bits[: height * width * digits * facts["plane_bits"]]
        planes = planes.reshape(height * width, digits, facts["plane_bits"]).astype(np.int64)
        codes = np.zeros((height * width, rows), np.int64)
        for digit in range(digits):
            for bit in range(size):
                place = size * digit + bit
                top = facts["signed"] and place == digits * size - 1
                plane = planes[:, digits - 1 - digit, bit : rows * size : size]
                codes += (-plane if top else plane) << place
        if facts["bipolar"]:
            codes = 2 * codes - 1
        return codes.T.reshape(rows, height, width)


class Device:
    """An overlay with a network in its memory.

    mmio: read(offset) and write(offset, value); PYNQ's default driver of the core has both.
    allocate: makes the buffer; default: pynq.allocate.
    """

    def __init__(self, mmio, network, allocate=None):
        if allocate is None:
            from pynq import allocate  # type: ignore
        self.mmio, self.network = mmio, network
        found = self.read32(regmap.ID)
        if found != network.overlay_id:
            raise RuntimeError(f"the overlay is {found:#010x}, the network is for another one")
        # the program counts on pages beginning where they do at address 0
        pages = -(-network.memory_bytes // PAGE_BYTES) + 1
        self.buffer = allocate(shape=(pages * PAGE_BYTES,), dtype=np.uint8)
        self.offset = -self.buffer.physical_address % PAGE_BYTES
        self.base = self.buffer.physical_address + self.offset
        self._load()

    def _load(self):
        self.write32(regmap.CONTROL, SOFT_RESET)
        self.write32(regmap.IRQ_CLEAR, 1)
        for address, data in self.network.moved(self.base).items():
            self.write_memory(address, data)
        for register, value in (
            (regmap.PROG_ADDR, self.base + self.network.program_address),
            (regmap.PROG_WORDS, self.network.program_words),
            (regmap.MEM_BASE, self.base),
            (regmap.MEM_LIMIT, self.base + self.network.memory_bytes),
        ):
            self.write32(register, value)

    def read32(self, offset):
        """A register."""
        return self.mmio.read(offset)

    def write32(self, offset, value):
        """Write a register."""
        self.mmio.write(offset, value)

    def read_memory(self, address, size):
        """Bytes of memory, from 0 on."""
        self.buffer.invalidate()
        begin = self.offset + address
        return bytes(self.buffer[begin : begin + size])

    def write_memory(self, address, data):
        """Bytes into memory, from 0 on."""
        begin = self.offset + address
        self.buffer[begin : begin + len(data)] = np.frombuffer(bytes(data), np.uint8)
        self.buffer.flush()

    def wait_irq(self, seconds=WAIT_S):
        """Wait until the job has ended; False: it did not in time."""
        deadline = time.monotonic() + seconds
        while not self.read32(regmap.STATUS) & ENDED:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_S)
        return True

    def run(self, image):
        """(codes (M, H, W) of the output, {counter: value}) of one image (C, H, W) of codes."""
        network = self.network
        self.write_memory(network.input["address"], network.pack(image))
        self.write32(regmap.CONTROL, START)
        ended = self.wait_irq()
        status = self.read32(regmap.STATUS)
        if not ended or status != DONE:
            at, info = self.read32(regmap.ERROR_ADDR), self.read32(regmap.ERROR_INFO)
            raise RuntimeError(f"STATUS {status:#x}, ERROR_ADDR {at:#x}, ERROR_INFO {info:#x}")
        counters = {name: self._counter(name) for name in regmap.COUNTERS}
        place = network.output
        codes = network.unpack(self.read_memory(place["address"], place["bytes"]))
        self.write32(regmap.IRQ_CLEAR, 1)
        return codes, counters

    def _counter(self, name):
        low = self.read32(getattr(regmap, name))
        return low | self.read32(getattr(regmap, f"{name}_HI")) << 32
