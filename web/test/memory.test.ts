import assert from "node:assert/strict";
import { test } from "node:test";

import { UploadMemory, fingerprintOf, uploadIdOf } from "../src/uploads/memory";
import { isTransient } from "../src/uploads/retry";

class FakeStorage {
    readonly map = new Map<string, string>();
    full = false;
    get length(): number {
        return this.map.size;
    }
    key(i: number): string | null {
        return [...this.map.keys()][i] ?? null;
    }
    getItem(key: string): string | null {
        return this.map.get(key) ?? null;
    }
    setItem(key: string, value: string): void {
        if (this.full) throw new Error("QuotaExceededError");
        this.map.set(key, value);
    }
    removeItem(key: string): void {
        this.map.delete(key);
    }
    clear(): void {
        this.map.clear();
    }
}

const file = { name: "a.mp4", type: "video/mp4", size: 10, lastModified: 1 };

test("a fingerprint changes with name, type, size and time, and with nothing else", () => {
    const base = fingerprintOf(file);
    assert.equal(fingerprintOf({ ...file }), base);
    assert.notEqual(fingerprintOf({ ...file, name: "b.mp4" }), base);
    assert.notEqual(fingerprintOf({ ...file, size: 11 }), base);
    assert.notEqual(fingerprintOf({ ...file, lastModified: 2 }), base);
    assert.notEqual(fingerprintOf({ ...file, type: "" }), base);
});

test("the upload id is the last part of the path, whatever the query", () => {
    assert.equal(uploadIdOf("http://127.0.0.1:1/files/abc?grant=x/y"), "abc");
    assert.equal(uploadIdOf("https://up.example/files/a%20b#z"), "a b");
    assert.equal(uploadIdOf("http://127.0.0.1:1/files/"), null);
    assert.equal(uploadIdOf("http://127.0.0.1:1/files/%E0%A4"), null);
    assert.equal(uploadIdOf(""), null);
});

test("what tus stores is found again by the file, with its video", async () => {
    const storage = new FakeStorage();
    const memory = new UploadMemory(storage, () => 1000);
    const face = memory.urlStorageFor("video-1", file);
    const key = await face.addUpload(fingerprintOf(file), {
        size: 10,
        metadata: {},
        creationTime: "",
        urlStorageKey: "",
        uploadUrl: "http://h/files/u1",
        parallelUploadUrls: null,
    });
    const found = new UploadMemory(storage, () => 2000).find(fingerprintOf(file));
    assert.equal(found?.videoId, "video-1");
    assert.equal(found?.uploadUrl, "http://h/files/u1");
    assert.equal(
        (await face.findUploadsByFingerprint(fingerprintOf(file)))[0]?.uploadUrl,
        "http://h/files/u1",
    );
    await face.removeUpload(key);
    assert.equal(memory.find(fingerprintOf(file)), null);
});

test("a video without an upload yet is remembered, but tus is offered nothing to resume", async () => {
    const memory = new UploadMemory(new FakeStorage());
    memory.put({
        fingerprint: fingerprintOf(file),
        videoId: "v",
        uploadUrl: null,
        name: "a",
        size: 10,
    });
    assert.equal(memory.ofVideo("v")?.uploadUrl, null);
    assert.deepEqual(
        await memory.urlStorageFor("v", file).findUploadsByFingerprint(fingerprintOf(file)),
        [],
    );
});

test("foreign and broken entries of the storage are ignored", () => {
    const storage = new FakeStorage();
    storage.setItem("tus::x", "{}");
    storage.setItem("vora.upload.a", "{broken");
    storage.setItem("vora.upload.b", JSON.stringify({ fingerprint: "other", videoId: "v" }));
    storage.setItem("vora.upload.c", "null");
    assert.deepEqual(new UploadMemory(storage).all(), []);
});

test("old records are dropped when new ones come", () => {
    const storage = new FakeStorage();
    let now = 0;
    const memory = new UploadMemory(storage, () => now);
    memory.put({ fingerprint: "old", videoId: "v", uploadUrl: null, name: "a", size: 1 });
    now = 8 * 24 * 3600 * 1000;
    memory.put({ fingerprint: "new", videoId: "v", uploadUrl: null, name: "a", size: 1 });
    assert.deepEqual(
        memory.all().map((r) => r.fingerprint),
        ["new"],
    );
});

test("a full storage does not stop an upload", () => {
    const storage = new FakeStorage();
    storage.full = true;
    const memory = new UploadMemory(storage);
    memory.put({ fingerprint: "f", videoId: "v", uploadUrl: null, name: "a", size: 1 });
    assert.equal(memory.find("f"), null);
});

test("lost answers, locks and server trouble are tried again, refusals are not", () => {
    for (const status of [0, 409, 423, 429, 500, 503])
        assert.ok(isTransient(status), String(status));
    for (const status of [400, 401, 403, 404, 410, 412, 413])
        assert.ok(!isTransient(status), String(status));
});
