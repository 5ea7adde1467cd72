// Keys of the player, as people know them. Pure: what a key means, not how it is done.

export type Action =
    | { kind: "toggle" | "mute" | "fullscreen" }
    | { kind: "seek_by"; seconds: number }
    | { kind: "seek_to"; fraction: number }
    | { kind: "volume_by"; amount: number };

export interface KeyPress {
    key: string;
    modified: boolean; // ctrl, alt or meta
    target: "text" | "button" | "slider" | "menu" | "other";
}

export function actionOf({ key, modified, target }: KeyPress): Action | null {
    if (modified || target === "text") return null;
    const lower = key.toLowerCase();
    // A focused button is pressed by Space and Enter; sliders and menus move by arrows, Home, End,
    // letters.
    if (target === "button" && (key === " " || key === "Enter")) return null;
    if (target === "menu") return null;
    if (target === "slider" && /^(Arrow|Home|End|Page)/.test(key)) return null;
    if (key === " " || lower === "k") return { kind: "toggle" };
    if (lower === "m") return { kind: "mute" };
    if (lower === "f") return { kind: "fullscreen" };
    if (key === "ArrowLeft") return { kind: "seek_by", seconds: -5 };
    if (key === "ArrowRight") return { kind: "seek_by", seconds: 5 };
    if (lower === "j") return { kind: "seek_by", seconds: -10 };
    if (lower === "l") return { kind: "seek_by", seconds: 10 };
    if (key === "ArrowUp") return { kind: "volume_by", amount: 0.1 };
    if (key === "ArrowDown") return { kind: "volume_by", amount: -0.1 };
    if (key === "Home") return { kind: "seek_to", fraction: 0 };
    if (/^[0-9]$/.test(key)) return { kind: "seek_to", fraction: Number(key) / 10 };
    return null;
}

export function targetKind(element: Element | null): KeyPress["target"] {
    if (!element) return "other";
    if (element instanceof HTMLInputElement) return element.type === "range" ? "slider" : "text";
    if (element instanceof HTMLTextAreaElement) return "text";
    if (element instanceof HTMLSelectElement) return "menu";
    if (element instanceof HTMLButtonElement || element instanceof HTMLAnchorElement)
        return "button";
    return element instanceof HTMLElement && element.isContentEditable ? "text" : "other";
}
