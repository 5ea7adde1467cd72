// The figures on the page, asked for again and again while somebody looks.

import { api } from "../api/client";
import type { Analytics } from "../api/types";
import { Poller } from "../lib/poll";
import { Store } from "../lib/store";

export interface Range {
    name: string;
    label: string;
    ms: number;
}

const HOUR_MS = 3_600_000;
export const RANGES: readonly Range[] = [
    { name: "hour", label: "Last hour", ms: HOUR_MS },
    { name: "day", label: "24 hours", ms: 24 * HOUR_MS },
    { name: "week", label: "7 days", ms: 7 * 24 * HOUR_MS },
    { name: "month", label: "30 days", ms: 30 * 24 * HOUR_MS },
];
export const RANGE_AT_FIRST = RANGES[1] as Range;

export interface FiguresState {
    analytics: Analytics | null; // the last answer, also while a later question fails
    error: unknown;
}

// An answer that takes longer is not asked for as often.
const QUICK_MS = 500;

export class FiguresModel {
    readonly state = new Store<FiguresState>({ analytics: null, error: null });
    private readonly poller = new Poller(() => this.refresh());
    private readonly closed = new AbortController();

    constructor(
        private readonly id: string | null,
        private readonly range: Range,
    ) {}

    open(): void {
        this.poller.start();
    }

    close(): void {
        this.closed.abort();
        this.poller.stop();
    }

    private async refresh(): Promise<{ changing: boolean; waiting: boolean }> {
        const asked = performance.now();
        const { signal } = this.closed;
        try {
            const from = new Date(Date.now() - this.range.ms);
            const analytics = await api.analytics(this.id, from, signal);
            if (!signal.aborted) this.state.set({ analytics, error: null });
        } catch (error) {
            if (!signal.aborted) this.state.update((s) => ({ ...s, error }));
            throw error;
        }
        return { changing: performance.now() - asked < QUICK_MS, waiting: true };
    }
}
