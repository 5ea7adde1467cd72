// Numbers and times as people read them. Pure.

export function bytes(n: number): string {
    if (!Number.isFinite(n) || n < 0) return "–";
    if (n < 1000) return `${Math.round(n)} B`;
    const units = ["kB", "MB", "GB", "TB", "PB"];
    let value = n / 1000;
    let unit = 0;
    // 999.95 would print as "1000.0".
    while (value >= 999.95 && unit < units.length - 1) {
        value /= 1000;
        unit += 1;
    }
    return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function rate(bytesPerSecond: number): string {
    return `${bytes(bytesPerSecond)}/s`;
}

// A position or length in a video: 0:07, 12:34, 1:02:03.
export function clock(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0)
        return "–:––";
    const whole = Math.floor(seconds);
    const two = (n: number): string => String(n).padStart(2, "0");
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor((whole % 3600) / 60);
    return hours > 0
        ? `${hours}:${two(minutes)}:${two(whole % 60)}`
        : `${minutes}:${two(whole % 60)}`;
}

// For screen readers: "1 hour 2 minutes 3 seconds".
export function spokenDuration(seconds: number): string {
    const whole = Math.max(0, Math.floor(seconds));
    const parts: string[] = [];
    const add = (n: number, word: string): void => {
        if (n > 0) parts.push(`${n} ${word}${n === 1 ? "" : "s"}`);
    };
    add(Math.floor(whole / 3600), "hour");
    add(Math.floor((whole % 3600) / 60), "minute");
    add(whole % 60, "second");
    return parts.join(" ") || "0 seconds";
}

// What remains, coarse on purpose: an estimate with seconds at an hour's distance is noise.
export function remaining(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds) || seconds < 0)
        return "";
    if (seconds < 1.5) return "1 s left";
    if (seconds < 60) return `${Math.round(seconds)} s left`;
    if (seconds < 3600) return `${Math.round(seconds / 60)} min left`;
    const hours = Math.floor(seconds / 3600);
    const minutes = Math.round((seconds % 3600) / 60);
    if (minutes === 60) return `${hours + 1} h left`;
    return minutes === 0 ? `${hours} h left` : `${hours} h ${minutes} min left`;
}

export function ago(then: string, now: number): string {
    const at = Date.parse(then);
    if (Number.isNaN(at)) return "";
    const seconds = Math.max(0, (now - at) / 1000);
    if (seconds < 45) return "just now";
    const minutes = Math.max(1, Math.round(seconds / 60));
    if (minutes < 60) return `${minutes} min ago`;
    const hours = Math.round(seconds / 3600);
    if (hours < 24) return `${hours} h ago`;
    const days = Math.round(seconds / 86_400);
    if (days < 7) return days === 1 ? "yesterday" : `${days} days ago`;
    return new Date(at).toLocaleDateString(undefined, {
        year: "numeric",
        month: "short",
        day: "numeric",
    });
}

export function percent(p: number): number {
    return Number.isFinite(p) ? Math.min(100, Math.max(0, p)) : 0;
}

export function bitrate(bitsPerSecond: number): string {
    if (bitsPerSecond >= 1_000_000) return `${(bitsPerSecond / 1_000_000).toFixed(1)} Mbit/s`;
    return `${Math.round(bitsPerSecond / 1000)} kbit/s`;
}

// "My holiday_2026.final.MOV" -> "My holiday 2026.final". The API takes 1 to 255 characters.
export function titleOf(fileName: string): string {
    const base = fileName.replace(/\.[A-Za-z0-9]{1,5}$/, "");
    const title = (base || fileName).replace(/[_\s\p{Cc}\p{Cs}]+/gu, " ").trim();
    return Array.from(title || "Untitled")
        .slice(0, 200)
        .join("");
}
