// The drawing and the notes. Places are in units of the board, 1600 by 1000, whatever its size on the screen.
//
// A line or a move is one change, done when the pointer is lifted: until then it is this page's own.

import { byId, element, newId } from "./page.js";

const [WIDTH, HEIGHT] = [1600, 1000];
const STEP = 4; // the shortest piece of a line
const MOST_NUMBERS = 4000; // of one line; then another one begins
const LINE_WIDTH = 5;
const NOTE_COLOURS = { ink: "yellow", red: "red", blue: "blue", green: "green" };
const ARROWS = { ArrowLeft: [-20, 0], ArrowRight: [20, 0], ArrowUp: [0, -20], ArrowDown: [0, 20] };

export function showBoard(board, me) {
  const chosen = tools();
  showStrokes(board, chosen);
  showNotes(board, me, chosen);
}

/** Give {tool, colour}, as the buttons say. */
function tools() {
  const chosen = { tool: "pen", colour: "ink" };
  for (const kind of ["tool", "colour"]) {
    const buttons = [...document.querySelectorAll(`#tools [data-${kind}]`)];
    for (const button of buttons) {
      button.onclick = () => {
        chosen[kind] = button.dataset[kind];
        for (const each of buttons) each.setAttribute("aria-pressed", each === button);
        byId("strokes").dataset.tool = chosen.tool;
      };
    }
  }
  return chosen;
}

const within = (value, most) => Math.min(most, Math.max(0, Math.round(value)));

/** Give the place on the board of a pointer. */
function placeOf({ clientX, clientY }) {
  const { left, top, width, height } = byId("strokes").getBoundingClientRect();
  return [within(((clientX - left) / width) * WIDTH, WIDTH), within(((clientY - top) / height) * HEIGHT, HEIGHT)];
}

// Strokes

function showStrokes(board, chosen) {
  const svg = byId("strokes");
  const paths = new Map(); // id -> path
  let drawn; // the points of the line that is being drawn
  let own; // its path

  const begin = (points) => {
    drawn = points;
    own = pathOf({ colour: chosen.colour, width: LINE_WIDTH, points });
    svg.append(own);
  };
  const end = () => {
    if (!drawn) return;
    own.remove();
    board.mutate("draw", newId(), { colour: own.dataset.colour, width: LINE_WIDTH, points: drawn });
    drawn = undefined;
  };
  const eraseAt = ({ clientX, clientY }) => {
    const id = document.elementFromPoint(clientX, clientY)?.dataset.id;
    if (paths.has(id)) board.mutate("erase", id);
  };

  svg.onpointerdown = (event) => {
    if (event.button) return;
    svg.setPointerCapture(event.pointerId);
    if (chosen.tool === "eraser") eraseAt(event);
    else begin(placeOf(event));
  };
  svg.onpointermove = (event) => {
    if (chosen.tool === "eraser" && event.buttons) eraseAt(event);
    if (!drawn) return;
    const [x, y] = placeOf(event);
    if (Math.hypot(x - drawn.at(-2), y - drawn.at(-1)) < STEP) return;
    drawn.push(x, y);
    own.setAttribute("d", outline(drawn));
    if (drawn.length < MOST_NUMBERS) return;
    end();
    begin([x, y]);
  };
  svg.onpointerup = svg.onpointercancel = end;

  board.watch("/strokes", (strokes = {}) => {
    for (const [id, path] of paths) {
      if (id in strokes) continue;
      path.remove();
      paths.delete(id);
    }
    for (const id of Object.keys(strokes)) {
      if (paths.has(id)) continue; // a line never changes
      const path = pathOf(strokes[id]);
      path.dataset.id = id;
      paths.set(id, path);
      svg.append(path);
    }
    showEmpty(board);
  });
}

function pathOf({ colour, width, points }) {
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.dataset.colour = colour;
  path.setAttribute("stroke-width", width);
  path.setAttribute("d", outline(points));
  return path;
}

/** Give a line through the points; a single one is a dot. */
function outline(points) {
  const rest = [];
  for (let i = 2; i < points.length; i += 2) rest.push(`L${points[i]} ${points[i + 1]}`);
  return `M${points[0]} ${points[1]}${rest.join("") || "h0"}`;
}

function showEmpty(board) {
  byId("empty").hidden = Boolean(board.keys("/strokes")?.length || board.keys("/notes")?.length);
}

// Notes

function showNotes(board, me, chosen) {
  const shown = new Map(); // id -> its element

  byId("add-note").onclick = () => {
    const id = newId();
    const place = shown.size % 18; // six in a row
    board.mutate("addNote", id, { x: 60 + 250 * (place % 6), y: 60 + 300 * Math.floor(place / 6), colour: NOTE_COLOURS[chosen.colour], text: "", by: me.name });
    shown.get(id)?.querySelector("textarea").focus();
  };

  board.watch("/notes", (notes = {}) => {
    for (const [id, note] of shown) {
      if (id in notes) continue;
      shown.delete(id);
      note.querySelector("textarea").blur(); // who writes there gets the text back, see writeNote
      note.remove();
    }
    for (const [id, note] of Object.entries(notes)) {
      if (!shown.has(id)) {
        shown.set(id, makeNote(board, id));
        byId("notes").append(shown.get(id));
      }
      showNote(shown.get(id), note);
    }
    showEmpty(board);
  });
}

function makeNote(board, id) {
  const text = element("textarea", { maxLength: 4000, ariaLabel: "Text of the note", placeholder: "Write here" });
  const grip = element("button", { type: "button", className: "grip", title: "Drag, or use the arrow keys" });
  const remove = element("button", { type: "button", textContent: "Remove", onclick: () => board.mutate("removeNote", id) });
  const note = element("article", { className: "note", dataset: { id } }, element("div", {}, grip, remove), text);
  let before; // what was there when one began to write
  text.onfocus = () => (before = text.value);
  text.onblur = () => {
    if (text.value !== before) board.mutate("writeNote", id, before, text.value);
  };
  text.onkeydown = ({ key }) => {
    if (key === "Escape") text.blur();
  };
  movable(note, grip, (x, y) => board.mutate("moveNote", id, x, y));
  return note;
}

function showNote(note, { x, y, colour = "yellow", text, by }) {
  note.dataset.colour = colour;
  if (!note.classList.contains("moved")) putAt(note, x, y);
  note.querySelector(".grip").textContent = by;
  note.querySelector(".grip").ariaLabel = `Move the note of ${by}`;
  const field = note.querySelector("textarea");
  if (document.activeElement !== field) field.value = text; // who writes is not disturbed: see writeNote
}

function putAt(note, x, y) {
  Object.assign(note.dataset, { x, y });
  note.style.left = `${(x / WIDTH) * 100}%`;
  note.style.top = `${(y / HEIGHT) * 100}%`;
}

/** Let `grip` move a note, by pointer and by arrow keys; `moved(x, y)` is told where it was put. */
function movable(note, grip, moved) {
  const place = () => [Number(note.dataset.x), Number(note.dataset.y)];
  const put = (x, y) => putAt(note, within(x, WIDTH - 100), within(y, HEIGHT - 60));
  let offset;
  grip.onpointerdown = (event) => {
    const [x, y] = placeOf(event);
    offset = [place()[0] - x, place()[1] - y, ...place()];
    grip.setPointerCapture(event.pointerId);
    note.classList.add("moved");
  };
  grip.onpointermove = (event) => {
    if (!offset) return;
    const [x, y] = placeOf(event);
    put(x + offset[0], y + offset[1]);
  };
  grip.onpointerup = grip.onpointercancel = () => {
    if (!offset) return;
    note.classList.remove("moved");
    const [, , x, y] = offset;
    offset = undefined;
    if (place()[0] !== x || place()[1] !== y) moved(...place());
  };
  grip.onkeydown = (event) => {
    const step = ARROWS[event.key];
    if (!step) return;
    event.preventDefault();
    put(place()[0] + step[0], place()[1] + step[1]);
    moved(...place());
  };
}
