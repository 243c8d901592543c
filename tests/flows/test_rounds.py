"""Cost tables of networks that have layers without weights."""

from flows.rounds import with_weights


def test_layers_without_weights_count_as_those_before_them() -> None:
    shares = {"pool": 5, "conv1": 100, "add": 7, "max": 3, "conv2": 50, "average": 2, "fc": 10}
    found = with_weights(shares, {"conv1", "conv2", "fc"})
    assert found == {"conv1": 115, "conv2": 52, "fc": 10}
    assert list(found) == ["conv1", "conv2", "fc"]
    assert sum(found.values()) == sum(shares.values())
    assert with_weights({"a": 1, "b": 2}, {"a", "b"}) == {"a": 1, "b": 2}
