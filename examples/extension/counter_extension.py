"""The procedures counter.add and counter.get; the topics counter.changed and counter.present."""

from functools import partial
from typing import Annotated, Any

from msgspec import Meta

from realms.extension import Extension, ExtensionError, ProcedureCall, Session
from router.configuration import Section


class Counter(Extension):
    """A counter that outlives the router."""

    name = "counter"

    class Config(Section, frozen=True, kw_only=True):
        """How the counter counts."""

        step: Annotated[int, Meta(description="What one call adds.", ge=1, le=1000)] = 1

    def open(self) -> None:
        self.file = self.host.data_directory / "count"
        try:
            self.count = int(self.file.read_text()) if self.file.exists() else 0
        except ValueError:
            raise ExtensionError("", f"{self.file} holds no number") from None
        self.waiting: list[tuple[ProcedureCall, int]] = []  # calls to be answered when it is saved
        self.is_saving = False
        self.procedures["counter.add"] = self.add
        self.procedures["counter.get"] = lambda call: call.result([self.count])

    def joined(self, session: Session) -> None:
        self.host.publish("counter.present", [len(self.host.sessions)])

    left = joined

    def add(self, call: ProcedureCall) -> None:
        self.count += self.config.step
        self.waiting.append((call, self.count))
        self.save()

    def save(self) -> None:
        if self.waiting and not self.is_saving:
            self.is_saving, saving, self.waiting = True, self.waiting, []
            self.host.background(partial(self.write, self.count), partial(self.saved, saving))

    def write(self, count: int) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(str(count))
        new.replace(self.file)

    def saved(self, saving: list[tuple[ProcedureCall, int]], _: Any, error: BaseException | None) -> None:
        self.is_saving = False
        for call, count in saving:
            call.result([count]) if error is None else call.error("counter.error.not_saved", str(error))
        self.host.publish("counter.changed", [self.count])
        self.save()
