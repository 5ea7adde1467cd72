// Builds the pages into web/dist (or the directory given with --out): index.html and embed.html, and
// under assets/ files whose names carry a hash of their content, so that they can be cached for ever. With
// --embed FILE.cpp it also writes a C++ source that holds them all, for the dashboard's binary.

import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const flag = (name) => {
    const at = process.argv.indexOf(name);
    return at > 0 && process.argv[at + 1] ? resolve(process.argv[at + 1]) : null;
};
const out = flag("--out") ?? join(root, "dist");
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
    entryPoints: {
        app: "src/main.tsx",
        style: "src/style/main.css",
        embed: "src/embed/embed.tsx",
        embed_style: "src/style/embed.css",
    },
    outdir: assets,
    bundle: true,
    splitting: true,
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    tsconfigRaw: "{}", // all that matters stands here, wherever the sources were copied to
    target: ["es2022", "chrome100", "firefox100", "safari15.4"],
    minify: true,
    legalComments: "none",
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    define: {
        __HLS_WORKER_PATH__: JSON.stringify(await hlsWorker()),
        "process.env.NODE_ENV": '"production"',
    },
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
    "%EMBED_SCRIPT%": outputOf("src/embed/embed.tsx"),
    "%EMBED_STYLE%": outputOf("src/style/embed.css"),
    "%FAVICON%": favicon,
};
const pages = ["index.html", "embed.html"];
for (const name of pages) {
    let page = await readFile(join(root, "src", name), "utf8");
    for (const [mark, file] of Object.entries(names)) page = page.replace(mark, file);
    await writeFile(join(out, name), page);
}

const TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
};
const WORTH_PACKING = 0.9;

// The bytes come in by #embed. Their hashes stand in the text so that whoever compares sources (a
// build tool, a compiler cache) sees every change of the bytes.
async function writeEmbedded(target) {
    const paths = [...pages, ...(await readdir(assets)).sort().map((n) => `assets/${n}`)];
    const packed = `${target}.gz`;
    await rm(packed, { recursive: true, force: true });
    await mkdir(packed, { recursive: true });
    const arrays = [];
    const rows = [];
    for (const [index, path] of paths.entries()) {
        const type = TYPES[extname(path)];
        if (!type) throw new Error(`no content type for ${path}`);
        const bytes = await readFile(join(out, path));
        const hash = createHash("sha256").update(bytes).digest("hex");
        const array = (name, from) =>
            arrays.push(
                `constexpr unsigned char ${name}[] = {\n#embed ${JSON.stringify(from)}\n};  // ${hash}`,
            );
        array(`file_${index}`, join(out, path));
        let gzip = "{}";
        const small = gzipSync(bytes, { level: 9 });
        if (!pages.includes(path) && small.length < bytes.length * WORTH_PACKING) {
            const from = join(packed, String(index));
            await writeFile(from, small);
            array(`packed_${index}`, from);
            gzip = `text_of(packed_${index})`;
        }
        rows.push(`    {${JSON.stringify(`/${path}`)}, ${JSON.stringify(type)},`);
        rows.push(`     text_of(file_${index}), ${gzip}},`);
    }
    const text = `#include "services/dashboard/adapters/embedded_files.hpp"

namespace vora::dashboard {

namespace {

${arrays.join("\n")}

template <std::size_t N>
std::string_view text_of(const unsigned char (&bytes)[N]) {
    return {reinterpret_cast<const char*>(bytes), N};
}

const page_file files[] = {
${rows.join("\n")}
};

}  // namespace

std::span<const page_file> embedded_files() {
    return files;
}

}  // namespace vora::dashboard
`;
    await writeFile(target, text);
}

const embed = flag("--embed");
if (embed) await writeEmbedded(embed);

for (const [file, { bytes }] of Object.entries(made.metafile.outputs)) {
    console.log(`${String(bytes).padStart(8)}  ${file.split("/").pop()}`);
}
