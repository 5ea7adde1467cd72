// Short messages at the lower edge, and the live region that screen readers follow.

import { Store, useStore } from "../lib/store";

interface Toast {
    key: number;
    text: string;
    tone: "info" | "error";
}

const SHOWN_MS = 5_000;
const TOASTS_MAX = 4;
const toasts = new Store<readonly Toast[]>([]);
const spoken = new Store("");
let nextKey = 1;

export function toast(text: string, tone: Toast["tone"] = "info"): void {
    const key = nextKey++;
    toasts.update((all) => [...all, { key, text, tone }].slice(-TOASTS_MAX));
    setTimeout(() => toasts.update((all) => all.filter((t) => t.key !== key)), SHOWN_MS);
}

// For screen readers only.
export function announce(text: string): void {
    spoken.set(text);
}

export function Toasts() {
    const shown = useStore(toasts);
    const text = useStore(spoken);
    return (
        <>
            <div class="toasts" role="status" aria-live="polite" data-testid="toasts">
                {shown.map((t) => (
                    <div key={t.key} class={`toast toast-${t.tone}`}>
                        {t.text}
                    </div>
                ))}
            </div>
            <div class="visually-hidden" aria-live="polite">
                {text}
            </div>
        </>
    );
}
