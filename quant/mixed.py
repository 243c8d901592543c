"""Weights whose output channels have different widths: a quantizer for each width."""

import torch
from torch import Tensor, nn

from ir.plan import PRUNED_STORED_BITS
from ir.precision import weight_precision
from quant.bipolar import build_quantizer
from quant.quantizer import Quantizer, QuantizerSetup


class MixedWeights(Quantizer):
    """Rows of one width share a quantizer; with ``per_channel`` each row has a step of its own.

    Its precision is that of the widest row. A row of one bit is bipolar, one of no bits pruned.
    """

    def __init__(self, name: str, widths: tuple[int, ...], *, per_channel: bool) -> None:
        super().__init__(
            QuantizerSetup(
                precision=weight_precision(max(widths)), role="weight", channels=len(widths)
            )
        )
        self.widths = widths
        kinds = sorted(set(widths))
        self.members = {bits: [i for i, w in enumerate(widths) if w == bits] for bits in kinds}
        self.parts = nn.ModuleDict(
            {
                str(bits): _part(name, bits, channels=len(rows) if per_channel else 1)
                for bits, rows in self.members.items()
            }
        )
        gathered = [row for rows in self.members.values() for row in rows]
        # Part of the code, not of the weights: where each row lies once the parts are joined.
        self.register_buffer("order", torch.tensor(gathered).argsort(), persistent=False)

    @property
    def w_bits(self) -> tuple[int, ...]:
        """One width for each output channel."""
        return self.widths

    def initialise(self, x: Tensor) -> None:
        """Each part from its rows."""
        for part, rows in self._parts(x):
            part.initialise(rows)

    def resume(self, before: Quantizer) -> None:
        """Take over what rows have learned whose width stays."""
        for bits, rows in self.members.items():
            part = self.parts[str(bits)]
            assert isinstance(part, Quantizer)
            for source, known in _at_width(before, bits, len(self.widths)):
                by_row = (part.setup.channels, source.setup.channels) == (len(rows), len(known))
                if by_row and type(source) is type(part):
                    _take_rows(part, rows, source, known)
                else:
                    part.resume(source)

    def forward(self, x: Tensor) -> Tensor:
        """x: (M, ...) weights -> same shape."""
        return self._joined([part(rows) for part, rows in self._parts(x)])

    def codes(self, x: Tensor) -> Tensor:
        """x: (M, ...) weights -> same shape, int64."""
        return self._joined([part.codes(rows) for part, rows in self._parts(x)])

    def scale(self, x: Tensor) -> Tensor:
        """(M,) float."""
        return self._joined([part.scale(rows).expand(len(rows)) for part, rows in self._parts(x)])

    def project(self) -> None:
        """The parts are modules of their own: whoever asks this quantizer asks them too."""

    def _parts(self, x: Tensor) -> list[tuple[Quantizer, Tensor]]:
        found = []
        for bits, rows in self.members.items():
            part = self.parts[str(bits)]
            assert isinstance(part, Quantizer)
            found.append((part, x[rows]))
        return found

    def _joined(self, parts: list[Tensor]) -> Tensor:
        return torch.cat(parts)[self.get_buffer("order")]


class PrunedWeights(Quantizer):
    """Rows of no bits: zero, whatever the weights are. On the device a row of ones, worth zero."""

    def initialise(self, x: Tensor) -> None:
        """There is nothing to set."""

    def forward(self, x: Tensor) -> Tensor:
        """x: weights -> zeros of the same shape; no gradient reaches the weights."""
        return torch.zeros_like(x)

    def codes(self, x: Tensor) -> Tensor:
        """x: weights -> ones of the same shape, int64."""
        return torch.ones_like(x, dtype=torch.int64)

    def scale(self, x: Tensor) -> Tensor:
        """(channels,) zeros."""
        return x.new_zeros(self.setup.channels)


def _at_width(quantizer: Quantizer, bits: int, channels: int) -> list[tuple[Quantizer, list[int]]]:
    """What quantizes the rows of one width, and which they are; nothing where there are none."""
    if isinstance(quantizer, MixedWeights):
        part = quantizer.parts[str(bits)] if bits in quantizer.members else None
        return [(part, quantizer.members[bits])] if isinstance(part, Quantizer) else []
    return [(quantizer, list(range(channels)))] if quantizer.w_bits == bits else []


@torch.no_grad()
def _take_rows(part: Quantizer, rows: list[int], source: Quantizer, known: list[int]) -> None:
    """Copy what a quantizer has for each row: all its state is (channels,)."""
    shared = [row for row in rows if row in known]
    there, here = [known.index(row) for row in shared], [rows.index(row) for row in shared]
    state = source.state_dict()
    for name, value in part.state_dict().items():
        value[here] = state[name][there]


def _part(name: str, bits: int, *, channels: int) -> Quantizer:
    """What quantizes the rows of one width."""
    precision = weight_precision(max(bits, PRUNED_STORED_BITS))
    setup = QuantizerSetup(precision=precision, role="weight", channels=channels)
    return build_quantizer(name, setup) if bits else PrunedWeights(setup)
