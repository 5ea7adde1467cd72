// Who watches, without knowing who: a random name for this view, and one for this browser where it
// lets pages remember things and its user did not ask sites to keep nothing of him.

const KEY = "vora.viewer";
const PATTERN = /^[0-9a-f-]{36}$/;

// crypto.randomUUID exists in secure contexts only; a plain http address in a home network is none.
export function randomId(): string {
    const b = crypto.getRandomValues(new Uint8Array(16));
    b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
    b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
    const hex = [...b].map((n) => n.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function viewerId(): string | null {
    try {
        const { globalPrivacyControl } = navigator as { globalPrivacyControl?: boolean };
        if (globalPrivacyControl) return null;
        const known = localStorage.getItem(KEY);
        if (known && PATTERN.test(known)) return known;
        const made = randomId();
        localStorage.setItem(KEY, made);
        return made;
    } catch {
        return null; // storage is forbidden or full
    }
}
