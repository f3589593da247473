"""
The errors that cross the boundaries of this package.

Three kinds of error get three treatments. An impossible request is an ERROR
message, returned like any other output. A breach of the protocol is
``ProtocolViolation``, raised anywhere and turned into ABORT in exactly one place
(``router.transport.connection``). Anything else that is raised is a defect of ours.
"""

from router.wamp import uris
from router.wamp.messages import Message


class ProtocolViolation(Exception):
    """
    The peer broke the protocol: its session is aborted (WAMP BP 'Protocol Errors').

    ``text`` goes to the peer in ABORT.Details.message, so it never holds internals.
    """

    def __init__(self, text: str, reason: str = uris.PROTOCOL_VIOLATION) -> None:
        super().__init__(text)
        self.text = text
        self.reason = reason


class PayloadRefused(Exception):
    """
    A well-formed message carries a value that no other serializer could carry.

    ``message`` is the decoded message without its payload, so that the receiver can
    answer the request with ``wamp.error.invalid_argument``; the session lives on.
    """

    def __init__(self, text: str, message: Message) -> None:
        super().__init__(text)
        self.text = text
        self.message = message
