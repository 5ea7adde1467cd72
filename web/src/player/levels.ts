// Qualities by name. A rendition's name is the short side of its picture in pixels + "p", and the
// directory of its playlist. Pure.

export interface Level {
    name: string;
    bandwidth: number;
    url: string;
}

export const AUTO = "auto";

export function levelName(uri: string, width: number, height: number): string {
    const directory = /(?:^|\/)(\d+p)\/[^/]+$/.exec(uri.replace(/[?#].*$/, ""));
    if (directory?.[1]) return directory[1];
    const side = width > 0 && height > 0 ? Math.min(width, height) : Math.max(width, height);
    return side > 0 ? `${side}p` : "source";
}

const lines = (name: string): number => Number.parseInt(name, 10) || 0;

// Highest first; of several with one name the one with most bits.
export function sortLevels(levels: readonly Level[]): Level[] {
    const best = new Map<string, Level>();
    for (const level of levels) {
        const other = best.get(level.name);
        if (!other || other.bandwidth < level.bandwidth) best.set(level.name, level);
    }
    return [...best.values()].sort(
        (a, b) => lines(b.name) - lines(a.name) || b.bandwidth - a.bandwidth,
    );
}

// The variants of a master playlist, for browsers that play HLS by themselves and tell us nothing
// of it.
export function parseMaster(text: string, base: string): Level[] {
    const levels: Level[] = [];
    const rows = text.split(/\r?\n/);
    if (!rows[0]?.startsWith("#EXTM3U")) return [];
    for (let i = 0; i < rows.length; i += 1) {
        const row = rows[i] ?? "";
        if (!row.startsWith("#EXT-X-STREAM-INF:")) continue;
        let next = i + 1;
        while (
            next < rows.length &&
            ((rows[next] ?? "").trim() === "" || rows[next]?.startsWith("#"))
        )
            next += 1;
        const uri = rows[next]?.trim();
        if (!uri) continue;
        const size = /[:,]RESOLUTION=(\d+)x(\d+)/.exec(row);
        const bandwidth = /[:,]BANDWIDTH=(\d+)/.exec(row);
        let url: string;
        try {
            url = new URL(uri, base).toString();
        } catch {
            continue;
        }
        const name = levelName(uri, Number(size?.[1] ?? 0), Number(size?.[2] ?? 0));
        levels.push({ name, bandwidth: Number(bandwidth?.[1] ?? 0), url });
    }
    return sortLevels(levels);
}
