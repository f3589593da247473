// A router of the tests' own: with a configuration in which everybody of the tests has a place, on a port that it keeps when it is
// killed and started again. And the command line client, which is the other one in the realm.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateKeyPairSync } from "node:crypto";

const CONCORD = JSON.parse(process.env.CONCORD); // the command, as a list
const START_MS = 30_000;

/** The key of `kim`, who joins by cryptosign. */
const { privateKey, publicKey } = generateKeyPairSync("ed25519");
export const KEY = Buffer.from(privateKey.export({ format: "jwk" }).d, "base64url").toString("hex");
const PUBLIC = Buffer.from(publicKey.export({ format: "jwk" }).x, "base64url").toString("hex");

const REALM = `
roles:
  anonymous:
    permissions:
      - {uri: "", match: prefix, allow: [call, register, publish, subscribe], disclosure: on_request}
      - {uri: concord., match: prefix, allow: []}
  operator:
    permissions:
      - {uri: "", match: prefix, allow: [call, register, publish, subscribe], disclosure: on_request}
  guest:
    permissions:
      - {uri: com.example., match: prefix, allow: [subscribe]}
authentication:
  anonymous: {role: anonymous}
  ticket: {principals: {tina: {role: operator, secret: sesame}, gus: {role: guest, secret: guest}}}
  wampcra: {principals: {carl: {role: operator, secret: "open sesame"}}}
  cryptosign: {principals: {kim: {role: operator, authorized_keys: ["${PUBLIC}"]}}}
management: {roles: [operator], scope: node, stats_interval_ms: 500}
extensions: {dstm: {spaces: {demo: {log: sqlite}, board: {log: sqlite, constraints: [{pointer: /stock, minimum: 0}]}}}}
`;

export class Router {
  /** Start a router, and wait until it listens. */
  static async start() {
    const router = new Router();
    router.directory = mkdtempSync(join(tmpdir(), "console-router-"));
    router.port = await freePort();
    router.url = `http://127.0.0.1:${router.port}/`;
    mkdirSync(join(router.directory, "realms"));
    writeFileSync(join(router.directory, "router.yaml"), `data_dir: data\ntransports:\n  - {type: websocket, endpoint: "tcp:${router.port}:interface=127.0.0.1"}\n`);
    writeFileSync(join(router.directory, "realms", "realm1.yaml"), REALM);
    await router.run();
    return router;
  }

  /** Run it, after `kill` too. */
  async run() {
    this.log = "";
    this.process = spawn(CONCORD[0], [...CONCORD.slice(1), "run", "--config", this.directory], { cwd: this.directory, stdio: ["ignore", "pipe", "pipe"] });
    this.ended = new Promise((resolve) => this.process.once("exit", resolve));
    await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the router did not start:\n${this.log}`)), START_MS);
      const take = (data) => {
        this.log += data;
        if (this.log.includes("realms: realm1")) {
          clearTimeout(timer);
          resolve();
        }
      };
      this.process.stdout.on("data", take);
      this.process.stderr.on("data", take);
    });
  }

  /** End it as a crash would. */
  async kill() {
    this.process.kill("SIGKILL");
    await this.ended;
  }

  async close() {
    this.process.kill("SIGTERM");
    await this.ended;
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Run the command line client as somebody else in the realm; give what it printed when it has ended. */
  client(command, ...args) {
    return this.begin(command, ...args).done;
  }

  /** Begin the command line client; `until(text)` waits for what it prints. */
  begin(command, ...args) {
    const options = ["--verbose", "--url", `ws://127.0.0.1:${this.port}/ws`, "--realm", "realm1"];
    const child = spawn(CONCORD[0], [...CONCORD.slice(1), command, ...options, ...args], { cwd: this.directory, stdio: ["ignore", "pipe", "pipe"] });
    let [text, errors] = ["", ""];
    const waiting = new Set();
    const look = () => waiting.forEach((each) => each());
    child.stdout.on("data", (data) => ((text += data), look()));
    child.stderr.on("data", (data) => ((errors += data), look()));
    const done = new Promise((resolve, reject) => child.once("exit", (code) => (code === 0 || child.killed ? resolve(text) : reject(new Error(`concord ${command}: ${errors}`)))));
    done.catch(() => {});
    return {
      done,
      until: (wanted) =>
        new Promise((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error(`concord ${command} did not print ${wanted}:\n${text}${errors}`)), START_MS);
          const each = () => {
            if (!(text + errors).includes(wanted)) return;
            waiting.delete(each);
            clearTimeout(timer);
            resolve();
          };
          waiting.add(each);
          each();
        }),
      async stop() {
        child.kill("SIGINT");
        await done.catch(() => {});
      },
    };
  }
}

/** Give a port that was free a moment ago. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
