// Puts beside the page what it needs of others: `npm ci && npm run build`.
//
// Nothing is bundled: page/lib/ gets wampy.js as npm has it, dstm.js as the router has it, and files.js, which tells the
// service worker what there is to keep. Its version is a digest of all files: with any change, browsers fetch the page anew.

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
const dstm = here("../../router/web/dstm");
for (const name of readdirSync(dstm).filter((file) => file.endsWith(".js"))) cpSync(`${dstm}/${name}`, `${LIB}/dstm/${name}`);

const files = readdirSync(PAGE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name !== "sw.js")
  .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`.slice(PAGE.length + 1).replaceAll("\\", "/"))
  .sort();
const digest = createHash("sha256");
for (const file of files) digest.update(`${file}\n`).update(readFileSync(`${PAGE}/${file}`));
const version = digest.digest("hex").slice(0, 16);
writeFileSync(`${LIB}/files.js`, `self.WHITEBOARD = ${JSON.stringify({ version, files: ["./", ...files.filter((file) => file !== "index.html")] }, null, 2)};\n`);
console.log(`page/lib is made: ${files.length} files, version ${version}`);
