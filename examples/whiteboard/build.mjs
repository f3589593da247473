// Puts beside the page what it needs of others: `npm ci && npm run build`.
//
// Nothing is bundled: page/lib/ gets wampy.js as npm has it, and files.js, which tells the service worker what there is to
// keep; dstm.js comes from the router. The version is a digest of all files: with any change, browsers fetch the page anew.

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const PAGE = here("page");
const LIB = here("page/lib");

rmSync(LIB, { recursive: true, force: true });
mkdirSync(LIB, { recursive: true });
cpSync(here("node_modules/wampy/LICENSE"), `${LIB}/wampy.LICENSE`);
// Without the link to its source map, which is not there.
writeFileSync(`${LIB}/wampy.js`, readFileSync(here("node_modules/wampy/dist/esm/wampy.js"), "utf8").replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n"));

// What the router serves at /dstm/ is in the checkout here.
const dstm = here("../../router/web/dstm");
const places = new Map(readdirSync(dstm).filter((name) => name.endsWith(".js")).map((name) => [`dstm/${name}`, `${dstm}/${name}`]));
for (const entry of readdirSync(PAGE, { recursive: true, withFileTypes: true })) {
  const place = `${entry.parentPath ?? entry.path}/${entry.name}`.replaceAll("\\", "/");
  if (entry.isFile() && entry.name !== "sw.js") places.set(place.slice(PAGE.length + 1), place);
}
const files = [...places.keys()].sort();
const digest = createHash("sha256");
for (const file of files) digest.update(`${file}\n`).update(readFileSync(places.get(file)));
const version = digest.digest("hex").slice(0, 16);
writeFileSync(`${LIB}/files.js`, `self.WHITEBOARD = ${JSON.stringify({ version, files: ["./", ...files.filter((file) => file !== "index.html")] }, null, 2)};\n`);
console.log(`page/lib is made: ${files.length} files, version ${version}`);
