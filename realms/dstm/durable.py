"""What the world may see of a space: its durable version, and what is remembered of those before."""

from realms.dstm.document import Document
from realms.dstm.errors import UNAVAILABLE, DstmError
from realms.dstm.sequencer import Sequencer
from realms.dstm.transaction import Transaction
from realms.dstm.window import Entry


class Durable:
    """
    A space, seen from outside. Everything raises ``unavailable`` until a log was opened.

    :ivar state: ``open``, ``unavailable`` or ``closed``; ``reason`` says why
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.state = "closed"
        self.reason = "it is not open yet"
        self._opened: Sequencer | None = None

    @property
    def _sequencer(self) -> Sequencer:
        if self._opened is None:
            raise self.refusal()
        return self._opened

    def refusal(self) -> DstmError:
        """Give the error of a space that is not open."""
        text = f"the space {self.name!r} is {self.state}: {self.reason}"
        return DstmError(UNAVAILABLE, text, state=self.state, reason=self.reason)

    @property
    def epoch(self) -> str:
        """Which history it is."""
        return self._sequencer.epoch

    @property
    def durable_version(self) -> int:
        """The newest version that may be seen."""
        return self._sequencer.durable_version

    @property
    def durable(self) -> Document:
        """Its document."""
        return self._sequencer.durable

    @property
    def durable_hash(self) -> bytes:
        """Its hash."""
        return self._sequencer.durable_hash

    @property
    def version(self) -> int:
        """The newest decided version: nobody may be told of it."""
        return self._sequencer.version

    @property
    def head(self) -> Document:
        """Its document."""
        return self._sequencer.head

    @property
    def horizon(self) -> int:
        """The oldest base that a transaction may have."""
        return self._sequencer.horizon

    @property
    def oldest_document(self) -> int:
        """The oldest version that ``at`` can give."""
        return self._sequencer.window.oldest_document

    def at(self, version: int) -> Document | None:
        """Give the document at a durable version, or None if it is not remembered."""
        sequencer = self._sequencer
        if version == sequencer.durable_version:
            return sequencer.durable
        return sequencer.window.at(version) if version < sequencer.durable_version else None

    def hash_at(self, version: int) -> bytes | None:
        """Give the hash of a durable version, or None if it is not remembered."""
        sequencer = self._sequencer
        if version == sequencer.durable_version:
            return sequencer.durable_hash
        entry = sequencer.window.entry(version) if version < sequencer.durable_version else None
        return None if entry is None else entry.hash

    def since(self, base: int, version: int) -> list[Entry] | None:
        """Give the commits after ``base`` up to ``version``, or None if some are not remembered."""
        sequencer = self._sequencer
        return None if version > sequencer.durable_version else sequencer.window.since(base, version)

    def version_of(self, tx: str) -> int | None:
        """Give the durable version that a transaction made, or None if it is not remembered."""
        sequencer = self._sequencer
        entry = sequencer.window.by_tx.get(tx)
        if entry is None or not entry.hash or entry.version > sequencer.durable_version:
            return None
        return entry.version

    def inverse(self, version: int) -> Transaction:
        """Give the transaction that undoes a version; as ``Sequencer.inverse``."""
        return self._sequencer.inverse(version)
