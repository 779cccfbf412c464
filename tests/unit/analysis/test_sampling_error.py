"""The stated error of sampling is never that of a finer rate."""

import pytest

from planner.analysis import sampling_error
from planner.analysis.sampling_error import describe_sampling_error, find_sampling_error

NONE = {"hosts": 0}
MEASURED = {
    "hosts": 30,
    "rates": [
        {
            "pages_per_vm": 64,
            "breakdown_most": 0.03,
            "mapping_most": 0.2,
            "events": {"swap_in": {"hosts": 3, "least": 0.5, "most": 2.0, "pooled": 1.0}, "guest_paging": NONE},
        },
        {
            "pages_per_vm": 256,
            "breakdown_most": 0.01,
            "mapping_most": 0.1,
            "events": {"swap_in": {"hosts": 3, "least": 0.8, "most": 1.2, "pooled": 1.0}, "guest_paging": NONE},
        },
    ],
}


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(sampling_error, "_measured", lambda: MEASURED)


@pytest.mark.parametrize(("asked", "used"), [(64, 64), (255, 64), (256, 256), (100_000, 256)])
def test_the_next_coarser_rate_counts(measured, asked, used):
    assert find_sampling_error(asked).pages_per_vm == used


def test_coarser_than_measured_is_unknown(measured):
    assert find_sampling_error(63) is None
    assert "unknown" in describe_sampling_error(63, 4096)


def test_words(measured):
    text = describe_sampling_error(300, 4096)
    assert text == (
        "sampled at 1:4,096; against 30 exact hosts of 8 to 32 GiB: breakdown within 1 % of host memory, "
        "4 KiB mappings within 10 %, swap-in ×0.8 to ×1.2, guest paging unknown"
    )
    assert describe_sampling_error(300, 1).startswith("none")


def test_shipped_file_knows_the_default_rate():
    error = find_sampling_error(256)
    assert error.pages_per_vm == 256
    assert 0 < error.breakdown_fraction < 0.05
    assert 0 < error.mapping_fraction < 0.5
