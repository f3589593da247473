// A document as a tree that opens: windowed, walked with the keys, changes of others marked for a moment.

import { useEffect, useId, useMemo, useReducer, useRef } from "preact/hooks";

import { isArray, isObject } from "../../../../router/web/dstm/document.js";
import { isWithin, parent, parse } from "../../../../router/web/dstm/pointer.js";
import { number, useWindow } from "../../ui/index.js";
import { Tree } from "./tree.js";

const ROW_HEIGHT = 28;
const SLICE_MS = 8;
const LONG = 200; // characters of a text that are shown
const MARKED_MS = 1500;

/**
 * `shown`: a Snapshot. `selected`: a pointer; onSelect(pointer) when another one is chosen, onEdit(pointer) on Enter and double click.
 * `marks`: a Set of pointers to be marked for good, instead of what changes; `name` stands for the root.
 */
export function TreeView({ shown, name, label, selected, onSelect, onEdit, marks }) {
  const scroller = useRef(null);
  const id = useId();
  const [tree] = useMemo(() => [new Tree()], []);
  const [turn, again] = useReducer((count) => count + 1, 0);
  const root = shown?.document.root;
  const before = useRef(root);
  useMemo(() => {
    tree.show(root);
    if (selected) tree.openTo(selected);
  }, [root, selected]);
  useSorting(tree, [root, selected, turn], again);
  const changed = useChanged(before, root, marks ? null : shown?.epoch);
  const { rows, total, scrollTo } = useWindow({ count: tree.count, height: ROW_HEIGHT, element: scroller });
  const scrolledTo = useRef();
  useEffect(() => {
    const index = scrolledTo.current === selected ? -1 : tree.indexOf(selected); // it has none until what holds it is in order
    if (index < 0) return;
    scrolledTo.current = selected;
    scrollTo(index);
  });

  const toggle = (pointer, isOpen) => {
    tree.toggle(pointer, isOpen);
    again();
  };
  const choose = (index) => {
    const at = Math.max(0, Math.min(tree.count - 1, index));
    onSelect(tree.row(at).pointer);
    scrollTo(at);
  };
  const move = (event) => {
    if (event.target !== scroller.current || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = Math.max(0, tree.indexOf(selected));
    const page = Math.max(1, Math.floor(scroller.current.clientHeight / ROW_HEIGHT) - 2);
    const row = tree.count > 0 ? tree.row(at) : undefined;
    const keys = {
      ArrowDown: () => choose(at + 1),
      ArrowUp: () => choose(at - 1),
      PageDown: () => choose(at + page),
      PageUp: () => choose(at - page),
      Home: () => choose(0),
      End: () => choose(tree.count - 1),
      ArrowRight: () => (isContainer(row.node) && !row.isOpen ? toggle(row.pointer, true) : row.isOpen && choose(at + 1)),
      ArrowLeft: () => (row.isOpen && row.pointer !== "" ? toggle(row.pointer, false) : row.pointer !== "" && choose(tree.indexOf(parent(row.pointer)))),
      Enter: () => onEdit?.(row.pointer),
    };
    if (!row || !Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  };

  const inView = rows.filter(({ index }) => index < tree.count).map(({ index, start }) => ({ start, ...tree.row(index) }));
  const active = inView.find(({ pointer }) => pointer === selected);
  return (
    <div class="tree" role="tree" aria-label={label} tabIndex={0} ref={scroller} onKeyDown={move} aria-activedescendant={active ? idOf(id, active.pointer) : undefined}>
      <div role="presentation" class="tree-body" style={{ height: `${total}px` }}>
        {inView.map(({ pointer, token, depth, node, isOpen, isReady, start }) => (
          <div key={pointer} id={idOf(id, pointer)} class="tree-row" role="treeitem" aria-level={depth + 1} aria-selected={pointer === selected}
            aria-expanded={isContainer(node) ? isOpen : undefined} data-mark={isMarked(marks, pointer) || undefined} data-changed={changed.has(pointer) || undefined}
            onClick={() => onSelect(pointer)} onDblClick={() => onEdit?.(pointer)}
            style={{ height: `${ROW_HEIGHT}px`, paddingLeft: `${0.5 + depth * 1.1}rem`, transform: `translateY(${start}px)` }}>
            <span class="tree-switch" aria-hidden="true" onClick={(event) => { event.stopPropagation(); if (pointer !== "" && isContainer(node)) toggle(pointer, !isOpen); }}>
              {isContainer(node) ? (isOpen ? "▾" : "▸") : ""}
            </span>
            <span class="tree-name">{depth === 0 ? name : token === "" ? '""' : token}</span>
            <Leaf node={node} isReady={isReady} />
          </div>
        ))}
      </div>
    </div>
  );
}

function Leaf({ node, isReady }) {
  if (isObject(node)) return <span class="muted">{isReady ? `{${number(node.length)}}` : `{${number(node.length)}} being put in order`}</span>;
  if (isArray(node)) return <span class="muted">[{number(node.length)}]</span>;
  if (typeof node === "string") return <span class="json-string">{JSON.stringify(node.length > LONG ? `${node.slice(0, LONG)}…` : node)}</span>;
  return <span class={`json-${node === null ? "null" : typeof node}`}>{String(node)}</span>;
}

const isContainer = (node) => isObject(node) || isArray(node);

/** Give the id of a row: without white space, which would make it two ids. */
const idOf = (tree, pointer) => tree + pointer.replace(/[\s%]/g, encodeURIComponent);

function isMarked(marks, pointer) {
  if (!marks) return false;
  for (const mark of marks) if (isWithin(mark, pointer)) return mark === pointer || "above";
  return false;
}

/** Sort large objects a slice at a time; `causes` are what may have opened or changed one. */
function useSorting(tree, causes, again) {
  useEffect(() => {
    let timer;
    const work = () => {
      const count = tree.count;
      const isLeft = tree.work(performance.now() + SLICE_MS);
      if (isLeft) timer = setTimeout(work);
      if (!isLeft || tree.count !== count) again();
    };
    if (tree.work(performance.now())) timer = setTimeout(work);
    return () => clearTimeout(timer);
  }, [tree, ...causes]);
}

/** Give the pointers that are shown and changed a moment ago; `has(pointer)` looks at those alone that are asked for. */
function useChanged(before, root, epoch) {
  const versions = useRef([]); // [root before, until when]
  const [, again] = useReducer((count) => count + 1, 0);
  const of = useRef(epoch);
  if (epoch === null) versions.current = [];
  if (before.current !== root) {
    if (before.current !== undefined && epoch !== null && of.current === epoch) versions.current = [...versions.current.slice(-5), [before.current, performance.now() + MARKED_MS]];
    before.current = root;
    of.current = epoch;
  }
  useEffect(() => {
    if (versions.current.length === 0) return undefined;
    const timer = setTimeout(() => {
      versions.current = versions.current.filter(([, until]) => until > performance.now());
      again();
    }, MARKED_MS + 50);
    return () => clearTimeout(timer);
  }, [root]);
  const now = performance.now();
  const olds = versions.current.filter(([, until]) => until > now).map(([old]) => old);
  return { has: (pointer) => olds.some((old) => nodeAt(old, pointer) !== nodeAt(root, pointer)) };
}

function nodeAt(root, pointer) {
  let node = root;
  for (const token of parse(pointer)) node = isContainer(node) ? node.child(token) : undefined;
  return node;
}
