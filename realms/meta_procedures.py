"""The meta procedures of a realm, called like those of an extension."""

from collections.abc import Callable, Mapping
from functools import partial

from realms.procedure_call import Procedure, ProcedureCall
from router.routing.meta import MetaApi, MetaProcedure, MetaResult
from router.routing.outputs import Delivery


class MetaProcedures:
    """
    An ``Owner`` of procedures: those of ``meta``, and ``others``.

    ``carry_out`` sends what a result asks for besides the answer.
    """

    def __init__(
        self, meta: MetaApi, carry_out: Callable[[MetaResult], None], others: Mapping[str, Procedure]
    ) -> None:
        self.procedures: dict[str, Procedure] = {
            uri: partial(self._answer, procedure) for uri, procedure in meta.procedures.items()
        }
        self.procedures.update(others)
        self._carry_out = carry_out

    def _answer(self, procedure: MetaProcedure, call: ProcedureCall) -> None:
        result = procedure(call.session, call.args, call.kwargs)
        call.end()
        if result.error is not None:
            call.session.note_error(result.error)
        call.desk.send(Delivery((call.session,), result.answer(call.request)))
        if result.outputs:
            self._carry_out(result)
