// A JavaScript client as a program: runs the checks over given transports and prints a JSON report.
//
//   node program.mjs < cases.json
//
// cases: name -> {one: transport, two: transport, secrets: authid -> secret}; a transport names its library,
// its serializer and where to connect. The report: name -> check -> "ok", "cannot ...", or what went wrong.

import { text } from "node:stream/consumers";
import { checks } from "./checks.mjs";
import { Cannot } from "./support.mjs";

const SECONDS = 20;
const LIBRARIES = {
  "autobahn-js": async () => (await import("./autobahn_session.mjs")).AutobahnSession,
  "wampy.js": async () => (await import("./wampy_session.mjs")).WampySession,
};

async function runCheck(check, description) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no end within ${SECONDS} s`)), SECONDS * 1000);
  });
  const sessions = [];
  const client = {
    async join(side, authentication) {
      const { library, ...transport } = description[side];
      const secret = description.secrets[authentication?.authid];
      const Session = await LIBRARIES[library]();
      const session = await Session.join(transport, "interop", authentication && { secret, ...authentication });
      sessions.push(session);
      return session;
    },
  };
  try {
    await Promise.race([check(client), late]);
    return "ok";
  } catch (error) {
    return error instanceof Cannot ? `cannot ${error.message}` : error.stack;
  } finally {
    clearTimeout(timer);
    // What a check that ended early left behind must not meet the next case.
    for (const session of sessions) await session.drop();
  }
}

async function runCase(description) {
  const names = Object.keys(checks);
  const results = await Promise.all(names.map((name) => runCheck(checks[name], description)));
  return Object.fromEntries(names.map((name, index) => [name, results[index]]));
}

// autobahn-js logs to the console, which is not the place of the report.
globalThis.console = new console.Console(process.stderr);

const report = {};
for (const [name, description] of Object.entries(JSON.parse(await text(process.stdin)))) {
  report[name] = await runCase(description);
}
process.stdout.write(JSON.stringify(report), () => process.exit(0));
