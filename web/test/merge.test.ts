import assert from "node:assert/strict";
import { test } from "node:test";

import type { Video } from "../src/api/types";
import { appendPage, mergeFirstPage, posterOfPublic, replaceOne } from "../src/library/merge";

function video(id: string, at: number, version = 1, part: Partial<Video> = {}): Video {
    return {
        id,
        created_at: new Date(at * 1000).toISOString(),
        version,
        title: id,
        ...part,
    } as Video;
}
const ids = (videos: readonly Video[]): string[] => videos.map((v) => v.id);

test("a first page that is complete is the whole truth", () => {
    const known = [video("c", 3), video("b", 2), video("a", 1)];
    assert.deepEqual(ids(mergeFirstPage(known, [video("d", 4), video("b", 2)], true)), ["d", "b"]);
    assert.deepEqual(mergeFirstPage(known, [], true), []);
});

test("videos beyond the first page stay, those missing within it go", () => {
    const known = [video("e", 5), video("d", 4), video("c", 3), video("b", 2), video("a", 1)];
    const merged = mergeFirstPage(known, [video("e", 5), video("c", 3)], false);
    assert.deepEqual(ids(merged), ["e", "c", "b", "a"]);
});

test("videos of the same instant keep the API's order by id", () => {
    const known = [video("b", 1), video("a", 1)];
    assert.deepEqual(ids(mergeFirstPage(known, [video("b", 1)], false)), ["b", "a"]);
});

test("an older answer that arrives late does not undo a newer one", () => {
    const known = [video("a", 1, 5, { title: "new" })];
    assert.equal(
        mergeFirstPage(known, [video("a", 1, 4, { title: "old" })], true)[0]?.title,
        "new",
    );
    assert.equal(replaceOne(known, video("a", 1, 4, { title: "old" }))[0]?.title, "new");
    assert.equal(appendPage(known, [video("a", 1, 4, { title: "old" })])[0]?.title, "new");
});

test("progress of the same version is taken over", () => {
    const progress = { stage: "encode", percent: 40, eta_s: 3 };
    const merged = mergeFirstPage([video("a", 1, 2)], [video("a", 1, 2, { progress })], true);
    assert.deepEqual(merged[0]?.progress, progress);
});

test("a further page is added without doubles", () => {
    const known = [video("c", 3), video("b", 2)];
    assert.deepEqual(ids(appendPage(known, [video("b", 2), video("a", 1)])), ["c", "b", "a"]);
});

test("only a public video's poster follows from its manifest", () => {
    const manifest_url = "https://play.example/play/public/x/master.m3u8";
    assert.equal(
        posterOfPublic({ manifest_url, visibility: "public" }),
        "https://play.example/play/public/x/thumbnail.jpg",
    );
    assert.equal(posterOfPublic({ manifest_url, visibility: "private" }), null);
    assert.equal(posterOfPublic({ manifest_url: null, visibility: "public" }), null);
    assert.equal(
        posterOfPublic({ manifest_url: "https://x/other.mpd", visibility: "public" }),
        null,
    );
});
