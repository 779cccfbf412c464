"""The body of an HTTP answer in bounded memory. Knows nothing of who asked whom."""

import requests

_CHUNK_BYTES = 1 << 20


class TooLargeError(Exception):
    """An answer is larger than it may be."""


def read_body(response: requests.Response, most_bytes: int) -> bytes:
    """Read the body of an answer that was asked for with `stream=True`.

    Parameters
    ----------
    response : requests.Response
    most_bytes : int
        Largest body that is read, unpacked. [bytes]

    Raises
    ------
    TooLargeError
        It is larger; at most a chunk beyond the bound was held.
    requests.exceptions.RequestException
        The server broke off.
    """
    body = bytearray()
    for chunk in response.iter_content(_CHUNK_BYTES):
        body += chunk
        if len(body) > most_bytes:
            raise TooLargeError
    return bytes(body)
