// How fresh answers and what is on the screen become one list. Pure.

import type { Video } from "../api/types";

// Newest first, as the API orders: by creation, then by id.
export function byAge(a: Video, b: Video): number {
    if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
    return a.id < b.id ? 1 : a.id > b.id ? -1 : 0;
}

// An older answer that arrives late must not undo a newer one; progress changes without a new
// version.
export function newer(known: Video | undefined, fresh: Video): Video {
    return known && known.version > fresh.version ? known : fresh;
}

// `page` is the first page: within its range it is the whole truth (what is missing there was
// deleted), beyond it the known videos stay. `complete`: there is no further page.
export function mergeFirstPage(
    known: readonly Video[],
    page: readonly Video[],
    complete: boolean,
): Video[] {
    const byId = new Map(known.map((v) => [v.id, v]));
    const merged = page.map((v) => newer(byId.get(v.id), v));
    const last = page[page.length - 1];
    if (complete || !last) return merged.sort(byAge);
    const inPage = new Set(page.map((v) => v.id));
    const beyond = known.filter((v) => !inPage.has(v.id) && byAge(last, v) < 0);
    return [...merged, ...beyond].sort(byAge);
}

export function appendPage(known: readonly Video[], page: readonly Video[]): Video[] {
    const byId = new Map(known.map((v) => [v.id, v]));
    for (const v of page) byId.set(v.id, newer(byId.get(v.id), v));
    return [...byId.values()].sort(byAge);
}

export function replaceOne(known: readonly Video[], fresh: Video): Video[] {
    return known.map((v) => (v.id === fresh.id ? newer(v, fresh) : v));
}

export function withoutOne(known: readonly Video[], id: string): Video[] {
    return known.filter((v) => v.id !== id);
}

// The address of the picture beside a public video's manifest.
export function posterOfPublic(video: Pick<Video, "manifest_url" | "visibility">): string | null {
    if (video.visibility !== "public" || !video.manifest_url) return null;
    const poster = video.manifest_url.replace(/\/master\.m3u8(\?.*)?$/, "/thumbnail.jpg");
    return poster === video.manifest_url ? null : poster;
}
