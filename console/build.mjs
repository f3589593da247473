// Make the console's bundle: `node build.mjs [--out DIR] [--watch] [--plain]`. By default DIR is ../router/web/static.
//
// - Every file but index.html has a hash of its content in its name, so that browsers may keep it for ever.
// - LICENSES.txt holds the licence of every package from which code went into the bundle; without one, no bundle.
// - worker.js knows the names of all files, and so changes with any of them.
// - The directory is written when everything is made: a build that fails leaves the one of before.

import { build, context, transform } from "esbuild";
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const { values: options } = parseArgs({
  options: {
    out: { type: "string", default: path.join(HERE, "../router/web/static") },
    watch: { type: "boolean", default: false },
    plain: { type: "boolean", default: false },
  },
});
const OUT = path.resolve(options.out);

const SETTINGS = {
  absWorkingDir: HERE,
  entryPoints: { console: "src/main.jsx", theme: "src/theme.js", icon: "src/icon.svg" },
  outdir: OUT,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022"],
  minify: !options.plain,
  jsx: "automatic",
  jsxImportSource: "preact",
  // wampy asks for Node's crypto where there is a process; a browser has none.
  define: { process: "undefined", "process.env.NODE_ENV": '"production"' },
  external: ["crypto"],
  entryNames: "assets/[name]-[hash]",
  chunkNames: "assets/[name]-[hash]",
  assetNames: "assets/[name]-[hash]",
  loader: { ".svg": "copy" },
  legalComments: "none",
  metafile: true,
  write: false,
  logLevel: "warning",
};

if (options.watch) await watch();
else report(await install(await build(SETTINGS)));

async function watch() {
  const again = { name: "install", setup: (made) => made.onEnd(async (result) => result.errors.length || report(await install(result))) };
  await (await context({ ...SETTINGS, plugins: [again] })).watch();
}

/** Write what was made into a directory beside OUT, and put it in OUT's place. */
async function install({ outputFiles, metafile }) {
  const licences = await licencesOf(metafile);
  const files = outputFiles.map(({ path: file, contents }) => [path.relative(OUT, file), contents]);
  const index = await page(files);
  const worker = await serviceWorker(index, files.map(([name]) => name));
  files.push(["index.html", index], ["worker.js", worker], ["LICENSES.txt", licences]);
  const beside = `${OUT}.new`;
  await rm(beside, { recursive: true, force: true });
  for (const [name, contents] of files) {
    await mkdir(path.dirname(path.join(beside, name)), { recursive: true });
    await writeFile(path.join(beside, name), contents);
  }
  await rm(OUT, { recursive: true, force: true });
  await rename(beside, OUT);
  return files;
}

/** Give index.html with the names that the files have got. */
async function page(files) {
  const text = await readFile(path.join(HERE, "src/index.html"), "utf8");
  return text.replace(/\{\{(\S+)-\*(\.\w+)\}\}/g, (_, name, kind) => {
    const found = files.find(([file]) => path.basename(file).startsWith(`${name}-`) && file.endsWith(kind));
    if (!found) throw new Error(`src/index.html asks for ${name}-*${kind}, which was not made`);
    return found[0];
  });
}

/** Give worker.js, which keeps the page `index` and the `names`, whose hashes say what is in them. */
async function serviceWorker(index, names) {
  const text = await readFile(path.join(HERE, "src/worker.js"), "utf8");
  const made = createHash("sha256").update(index).update(names.join()).digest("hex").slice(0, 16);
  const define = { BUILD: JSON.stringify(made), FILES: JSON.stringify(names) };
  return (await transform(text, { define, minify: !options.plain, target: "es2022" })).code;
}

/** Give the licences of the packages whose code is in the bundle. */
async function licencesOf(metafile) {
  const used = new Set();
  for (const output of Object.values(metafile.outputs)) {
    for (const [file, { bytesInOutput }] of Object.entries(output.inputs)) {
      const found = file.match(/^.*node_modules\/((?:@[^/]+\/)?[^/]+)/);
      if (found && bytesInOutput > 0) used.add(found[0]);
    }
  }
  const texts = [];
  for (const folder of [...used].sort()) {
    const { name, version, license } = JSON.parse(await readFile(path.join(HERE, folder, "package.json"), "utf8"));
    const [file] = (await readdir(path.join(HERE, folder))).filter((entry) => /^licen[cs]e/i.test(entry));
    if (!file) throw new Error(`${folder} has no licence file: what it asks for can't be kept`);
    const text = await readFile(path.join(HERE, folder, file), "utf8");
    texts.push(`${name} ${version} (${license})\n\n${text.trim()}\n`);
  }
  return `The console holds code of these packages.\n\n${texts.join(`\n${"-".repeat(72)}\n\n`)}`;
}

function report(files) {
  for (const [name, contents] of files) console.log(`${String(contents.length).padStart(9)}  ${name}`);
}
