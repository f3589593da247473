// A map that shares its structure: a change makes a new one, and the old one stays as it was.
//
// A trie of the hashes of its keys, five bits a level (Bagwell, "Ideal Hash Trees", 2001). A Branch has a slot for
// each of 32 directions that is in use, a Leaf is one entry, a Clash holds entries whose hashes are equal.

const BITS = 5;
const MASK = 31;

class Leaf {
  constructor(hash, key, value) {
    this.hash = hash;
    this.key = key;
    this.value = value;
  }
}

class Clash {
  constructor(hash, leaves) {
    this.hash = hash;
    this.leaves = leaves;
  }
}

class Branch {
  constructor(used, slots) {
    this.used = used; // bit n: there is a slot for direction n
    this.slots = slots;
  }
}

const EMPTY = new Branch(0, []);

export class SharedMap {
  #root;

  constructor(root = EMPTY, size = 0) {
    this.#root = root;
    this.size = size;
  }

  /** Make a map of entries; a later one counts where two have one key. */
  static of(entries) {
    const map = new SharedMap();
    for (const [key, value] of entries) map.#insert(key, value, true);
    return map;
  }

  get(key) {
    const hash = hashOf(key);
    let node = this.#root;
    for (let shift = 0; node instanceof Branch; shift += BITS) {
      const bit = 1 << ((hash >>> shift) & MASK);
      if (!(node.used & bit)) return undefined;
      node = node.slots[place(node.used, bit)];
    }
    if (node instanceof Leaf) return node.key === key ? node.value : undefined;
    return node.leaves.find((leaf) => leaf.key === key)?.value;
  }

  has(key) {
    return this.get(key) !== undefined;
  }

  set(key, value) {
    const changed = new SharedMap(this.#root, this.size);
    changed.#insert(key, value, false);
    return changed;
  }

  /** Put an entry into this very map: for a map that nobody else has yet. */
  add(key, value) {
    this.#insert(key, value, true);
  }

  delete(key) {
    if (!this.has(key)) return this;
    return new SharedMap(without(this.#root, 0, hashOf(key), key) ?? EMPTY, this.size - 1);
  }

  *[Symbol.iterator]() {
    const waiting = [this.#root];
    while (waiting.length) {
      const node = waiting.pop();
      if (node instanceof Leaf) yield [node.key, node.value];
      else waiting.push(...(node.slots ?? node.leaves));
    }
  }

  *keys() {
    for (const [key] of this) yield key;
  }

  /** Give [key, value, value before] of each entry that is another one than in `before`, undefined for none; costs what differs. */
  differences(before) {
    return differences(this.#root, before.#root);
  }

  /** `own`: nobody else has this map yet, so that its branches may be changed. */
  #insert(key, value, own) {
    if (!this.has(key)) this.size++;
    if (own && this.#root === EMPTY) this.#root = new Branch(0, []);
    this.#root = withLeaf(this.#root, 0, new Leaf(hashOf(key), key, value), own);
  }
}

function withLeaf(node, shift, leaf, own) {
  if (node instanceof Branch) {
    const bit = 1 << ((leaf.hash >>> shift) & MASK);
    const at = place(node.used, bit);
    if (node.used & bit) {
      const below = withLeaf(node.slots[at], shift + BITS, leaf, own);
      if (own) node.slots[at] = below;
      return own ? node : new Branch(node.used, replaced(node.slots, at, below));
    }
    const slots = own ? node.slots : node.slots.slice();
    slots.splice(at, 0, leaf);
    if (own) node.used |= bit;
    return own ? node : new Branch(node.used | bit, slots);
  }
  if (node.hash !== leaf.hash) return forked(node, leaf, shift);
  if (node instanceof Leaf) return node.key === leaf.key ? leaf : new Clash(leaf.hash, [node, leaf]);
  return new Clash(node.hash, [...node.leaves.filter(({ key }) => key !== leaf.key), leaf]);
}

/** Give the branch that tells two nodes of different hashes apart. */
function forked(one, other, shift) {
  const [first, second] = [(one.hash >>> shift) & MASK, (other.hash >>> shift) & MASK];
  if (first === second) return new Branch(1 << first, [forked(one, other, shift + BITS)]);
  return new Branch((1 << first) | (1 << second), first < second ? [one, other] : [other, one]);
}

/** Give the node without the entry of `key`, which it has; undefined where nothing is left. */
function without(node, shift, hash, key) {
  if (node instanceof Leaf) return undefined;
  if (node instanceof Clash) {
    const leaves = node.leaves.filter((leaf) => leaf.key !== key);
    return leaves.length === 1 ? leaves[0] : new Clash(hash, leaves);
  }
  const bit = 1 << ((hash >>> shift) & MASK);
  const at = place(node.used, bit);
  const below = without(node.slots[at], shift + BITS, hash, key);
  if (below === undefined) {
    if (node.slots.length === 1) return undefined;
    const slots = node.slots.slice();
    slots.splice(at, 1);
    return slots.length === 1 && !(slots[0] instanceof Branch) && shift > 0 ? slots[0] : new Branch(node.used ^ bit, slots);
  }
  const folds = node.slots.length === 1 && !(below instanceof Branch) && shift > 0;
  return folds ? below : new Branch(node.used, replaced(node.slots, at, below));
}

function replaced(slots, at, node) {
  const copy = slots.slice();
  copy[at] = node;
  return copy;
}

function* differences(node, before) {
  if (node === before) return;
  if (node instanceof Branch && before instanceof Branch) {
    for (let left = node.used | before.used; left; left &= left - 1) {
      const bit = left & -left;
      yield* differences(slotOf(node, bit), slotOf(before, bit));
    }
    return;
  }
  const gone = new Map(leavesOf(before).map(({ key, value }) => [key, value]));
  for (const { key, value } of leavesOf(node)) {
    if (gone.get(key) !== value) yield [key, value, gone.get(key)];
    gone.delete(key);
  }
  for (const [key, value] of gone) yield [key, undefined, value];
}

function slotOf(branch, bit) {
  return branch.used & bit ? branch.slots[place(branch.used, bit)] : undefined;
}

function leavesOf(node) {
  if (node === undefined) return [];
  if (node instanceof Leaf) return [node];
  return node instanceof Clash ? node.leaves : node.slots.flatMap(leavesOf);
}

/** Give the number of slots before the one of `bit`. */
function place(used, bit) {
  let before = used & (bit - 1);
  before -= (before >>> 1) & 0x55555555;
  before = (before & 0x33333333) + ((before >>> 2) & 0x33333333);
  return Math.imul((before + (before >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

// FNV-1a, with its high bits mixed into the low ones, which choose the first direction.
function hashOf(key) {
  let value = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) value = Math.imul(value ^ key.charCodeAt(i), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
