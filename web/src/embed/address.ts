// What an embed page's address says. The grant stands in the fragment: no server and no log sees
// it. Pure.

export interface EmbedAddress {
    videoId: string;
    grant: string; // "public" for public videos
}

const PATH = /^\/embed\/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/?$/;
// What a path segment may hold without escapes.
const GRANT = /^[A-Za-z0-9._~-]{1,2000}$/;

export function parseEmbedAddress(path: string, fragment: string): EmbedAddress | null {
    const videoId = PATH.exec(path.toLowerCase())?.[1];
    if (!videoId) return null;
    const grant = new URLSearchParams(fragment.replace(/^#/, "")).get("grant") ?? "public";
    // Dots alone would name another path.
    return GRANT.test(grant) && !/^\.+$/.test(grant) ? { videoId, grant } : null;
}
