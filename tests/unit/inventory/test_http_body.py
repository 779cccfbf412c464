"""Bodies of HTTP answers are read up to a bound and no further."""

import io

import pytest
import requests

from planner.inventory.http_body import TooLargeError, read_body


class Endless:
    """An answer without end; counts what was taken of it."""

    def __init__(self):
        self.n_bytes = 0

    def iter_content(self, size):
        while True:
            self.n_bytes += size
            yield b"x" * size


def answer_of(body):
    response = requests.Response()
    response.raw = io.BytesIO(body)
    return response


@pytest.mark.parametrize("body", [b"", b"x", b"x" * 100])
def test_a_body_up_to_the_bound_is_read_whole(body):
    assert read_body(answer_of(body), 100) == body


def test_a_byte_more_is_refused():
    with pytest.raises(TooLargeError):
        read_body(answer_of(b"x" * 101), 100)


def test_an_endless_body_is_left_after_the_bound():
    endless = Endless()
    with pytest.raises(TooLargeError):
        read_body(endless, 5 * 2**20)
    assert endless.n_bytes == 6 * 2**20  # in pieces of 1 MiB
