"""`bitwright list` shows every plug-in with a line on it, and imports none."""

import subprocess
import sys

import pytest

from flows import listing
from ir.errors import UnknownPluginError


def test_boards_come_with_their_description():
    boards = {entry.name: entry.summary for entry in listing.entries("boards")}
    assert boards["sim"] == "simulation only, with the reference memory"


@pytest.mark.parametrize("kind", listing.KINDS)
def test_the_document_of_every_kind(kind: str):
    document = listing.to_plain(kind)
    assert document["kind"] == kind
    assert document["names"] == [entry.name for entry in listing.entries(kind)]
    assert all(entry.summary for entry in listing.entries(kind)), "a plug-in without a docstring"
    assert kind in listing.describe(document)


def test_an_unknown_kind_lists_the_kinds():
    with pytest.raises(
        UnknownPluginError,
        match=r"unknown kind of plug-in 'board' \(did you mean 'boards'\?\); there is: quantizers",
    ):
        listing.entries("board")


def test_listing_quantizers_does_not_import_torch():
    code = (
        "import sys; from flows.listing import entries; assert entries('quantizers');"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
