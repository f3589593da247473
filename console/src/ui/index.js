// The pieces of which views are made. console/README.md shows each.

export { Boundary } from "./boundary.jsx";
export { Button, Field } from "./form.jsx";
export { Dialog } from "./dialog.jsx";
export { JsonEditor, JsonView } from "./json.jsx";
export { parsed } from "./parsed.js";
export { Denied, Empty, Facts, Notice, Page, Panel, Problem, Stat } from "./panel.jsx";
export { Plot } from "./plot.jsx";
export { Table } from "./table.jsx";
export { toast, Toasts } from "./toast.jsx";
export { useWindow } from "./window.js";
export * from "./format.js";
