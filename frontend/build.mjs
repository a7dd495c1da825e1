/**
 * Bundle src/*.js into ra_widgets/widgets/static, one module a widget; the same sources always give the same bytes.
 * `--check` builds in memory and fails when the committed bundles differ.
 */
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync, existsSync, mkdirSync, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const source = join(here, "src");
const target = join(here, "..", "ra_widgets", "widgets", "static");
const check = process.argv.includes("--check");
const names = readdirSync(source).filter((name) => name.endsWith(".js")).sort();

const result = await build({
  absWorkingDir: here,
  entryPoints: names.map((name) => `src/${name}`),
  outdir: "out",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  charset: "utf8",
  legalComments: "none",
  write: false,
  logLevel: "warning",
});

// what the bundles were made from, so that a stale bundle is noticed without node: see tests/widgets/test_frontend.py
const made = createHash("sha256");
for (const name of [...readdirSync(join(source, "lib")).map((n) => `lib/${n}`), ...names].filter((n) => n.endsWith(".js")).sort()) {
  made.update(`${name}\n`).update(readFileSync(join(source, name), "utf8").replaceAll("\r\n", "\n"));
}
const stamp = { path: "sources.sha256", contents: Buffer.from(`${made.digest("hex")}\n`) };

mkdirSync(target, { recursive: true });
let different = 0;
for (const file of [...result.outputFiles, stamp]) {
  const name = file.path.split(/[\\/]/).pop();
  const path = join(target, name);
  if (check) {
    const same = existsSync(path) && Buffer.compare(readFileSync(path), Buffer.from(file.contents)) === 0;
    if (!same) {
      console.error(`${name}: the committed bundle is not what the sources give; run "npm run build"`);
      different += 1;
    }
  } else {
    writeFileSync(path, file.contents);
    console.log(`${name.padEnd(14)} ${(file.contents.length / 1024).toFixed(1)} KB`);
  }
}
for (const old of readdirSync(target).filter((name) => name.endsWith(".js") && !names.includes(name))) {
  if (check) {
    console.error(`${old}: has no source any more`);
    different += 1;
  } else unlinkSync(join(target, old));
}
process.exit(different ? 1 : 0);
