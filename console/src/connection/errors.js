// What went wrong, as one kind of error: `uri` for programs, `text` for people.

export const NOT_AUTHORIZED = "wamp.error.not_authorized";
const NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure";
/** No answer came, because the connection ended: what was asked may or may not have happened. */
export const LOST = "concord.console.lost";

export class WampError extends Error {
  /**
   * @param {string} uri the error's URI
   * @param {string} text what the peer said, or ""
   * @param {{args?: any[], kwargs?: object, details?: object}} whole what else came with it
   */
  constructor(uri, text, whole = {}) {
    super(text ? `${uri}: ${text}` : uri);
    this.name = "WampError";
    this.uri = uri;
    this.text = text;
    this.args = whole.args ?? [];
    this.kwargs = whole.kwargs ?? {};
    this.details = whole.details ?? {};
  }
}

/** Make a WampError of whatever wampy.js rejected with. */
export function errorOf(error) {
  if (error instanceof WampError) return error;
  if (typeof error?.errorUri !== "string") return new WampError(LOST, "The connection ended before an answer came.");
  const first = error.argsList?.[0];
  const text = typeof first === "string" ? first : (error.details?.message ?? "");
  return new WampError(error.errorUri, text, { args: error.argsList, kwargs: error.argsDict, details: error.details });
}

/** Tell whether the role may not do it, or the router does not offer it: a view then shows less, and says so. */
export function isDenied(error) {
  return error?.uri === NOT_AUTHORIZED || error?.uri === NO_SUCH_PROCEDURE;
}
