// Builds the page into web/dist (or the directory given with --out): index.html, and under assets/ files
// whose names carry a hash of their content, so that they can be cached for ever.

import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const outFlag = process.argv.indexOf("--out");
const out = outFlag > 0 ? resolve(process.argv[outFlag + 1]) : join(root, "dist");
const assets = join(out, "assets");

await rm(out, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

async function copyHashed(from, name, extension) {
    const bytes = await readFile(from);
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
    const file = `${name}-${hash}.${extension}`;
    await writeFile(join(assets, file), bytes);
    return `/assets/${file}`;
}

async function hlsWorker() {
    // Without the line that names a source map which is not served.
    const source = await readFile(join(root, "node_modules/hls.js/dist/hls.worker.js"), "utf8");
    const plain = source.replace(/\n\/\/# sourceMappingURL=.*\s*$/, "\n");
    const made = await build({
        stdin: { contents: plain, loader: "js" },
        minify: true,
        legalComments: "none",
        write: false,
        target: "es2020",
    });
    const bytes = made.outputFiles[0].contents;
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
    const file = `hls-worker-${hash}.js`;
    await writeFile(join(assets, file), bytes);
    return `/assets/${file}`;
}

const favicon = await copyHashed(join(root, "src/favicon.svg"), "favicon", "svg");
const made = await build({
    absWorkingDir: root,
    entryPoints: { app: "src/main.tsx", style: "src/style/main.css" },
    outdir: assets,
    bundle: true,
    splitting: true,
    format: "esm",
    target: ["es2022", "chrome100", "firefox100", "safari15.4"],
    minify: true,
    legalComments: "none",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    define: { __HLS_WORKER_PATH__: JSON.stringify(await hlsWorker()), "process.env.NODE_ENV": '"production"' },
    metafile: true,
    logLevel: "warning",
});

function outputOf(entry) {
    const found = Object.entries(made.metafile.outputs).find(([, o]) => o.entryPoint === entry);
    if (!found) throw new Error(`no output for ${entry}`);
    return `/assets/${found[0].split("/").pop()}`;
}

const names = {
    "%SCRIPT%": outputOf("src/main.tsx"),
    "%STYLE%": outputOf("src/style/main.css"),
    "%FAVICON%": favicon,
};
let page = await readFile(join(root, "src/index.html"), "utf8");
for (const [mark, name] of Object.entries(names)) page = page.replace(mark, name);
await writeFile(join(out, "index.html"), page);

for (const [file, { bytes }] of Object.entries(made.metafile.outputs)) {
    console.log(`${String(bytes).padStart(8)}  ${file.split("/").pop()}`);
}
