// The object as one client sees it, for the programs dstm_two_clients*.mjs: a document at a version.

export class Replica {
  #early = []; // deltas that came before the snapshot
  #waiting = [];

  // Begins with the answer to sync.
  begin({ snapshot, version, epoch }) {
    Object.assign(this, { document: snapshot, version, epoch });
    this.apply(this.#early);
  }

  apply(deltas) {
    if (!this.epoch) return this.#early.push(...deltas);
    for (const [from, version, changes] of deltas) {
      if (from !== this.version) continue; // it is known already
      changes.forEach((change) => this.#change(change));
      this.version = version;
    }
    this.#waiting.forEach((look) => look());
  }

  #change({ op, path, value }) {
    const tokens = path.split("/").map((token) => token.replaceAll("~1", "/").replaceAll("~0", "~"));
    const last = tokens.pop();
    if (!tokens.length) return (this.document = value);
    const place = tokens.slice(1).reduce((object, token) => object[token], this.document); // objects alone
    if (op === "remove") delete place[last];
    else place[last] = value;
  }

  until(word) {
    return new Promise((resolve) => {
      const look = () => this.document.hello === word && resolve();
      this.#waiting.push(look);
      look();
    });
  }
}
