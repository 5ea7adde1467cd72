// Bundles test/*.test.ts (this Node may not read TypeScript) and runs them with Node's test runner.

import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = dirname(fileURLToPath(import.meta.url));
const out = await mkdtemp(join(tmpdir(), "vora-web-test-"));
try {
    const names = (await readdir(join(root, "test"))).filter((n) => n.endsWith(".test.ts")).sort();
    await build({
        absWorkingDir: root,
        entryPoints: names.map((n) => `test/${n}`),
        outdir: out,
        outExtension: { ".js": ".mjs" },
        bundle: true,
        format: "esm",
        platform: "node",
        target: "node18",
        sourcemap: "inline",
        jsx: "automatic",
        jsxImportSource: "preact",
        logLevel: "warning",
    });
    const files = names.map((n) => join(out, n.replace(/\.ts$/, ".mjs")));
    const run = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], {
        stdio: "inherit",
    });
    process.exitCode = run.status ?? 1;
} finally {
    await rm(out, { recursive: true, force: true });
}
