// From the API's answer to what the charts draw and say. Pure.

import type { Analytics } from "../api/types";

export type Column = (number | null)[];

export interface ChartData {
    times: number[]; // s since the epoch
    columns: Column[];
}

const seconds = (t: string): number => Date.parse(t) / 1000;

export const playsOf = (a: Analytics): ChartData => ({
    times: a.series.map((p) => seconds(p.t)),
    columns: [a.series.map((p) => p.plays)],
});

export const watchMinutesOf = (a: Analytics): ChartData => ({
    times: a.series.map((p) => seconds(p.t)),
    columns: [a.series.map((p) => p.watch_time_s / 60)],
});

export const startupOf = (a: Analytics): ChartData => ({
    times: a.quality.map((p) => seconds(p.t)),
    columns: [a.quality.map((p) => p.startup_ms.p50), a.quality.map((p) => p.startup_ms.p95)],
});

// A part in which nothing was watched has no ratio.
export const rebufferPercentOf = (a: Analytics): ChartData => ({
    times: a.quality.map((p) => seconds(p.t)),
    columns: [
        a.quality.map((p, i) => {
            const idle = !a.series[i]?.watch_time_s && p.rebuffer_ratio === 0;
            return idle ? null : p.rebuffer_ratio * 100;
        }),
    ],
});

export function watchTime(s: number): string {
    if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
    if (s < 3600) return `${(s / 60).toFixed(s < 600 ? 1 : 0)} min`;
    return `${(s / 3600).toFixed(s < 36_000 ? 1 : 0)} h`;
}

export function milliseconds(ms: number | null): string {
    if (ms === null) return "–";
    return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}

export const ratio = (r: number): string => `${(r * 100).toFixed(r > 0 && r < 0.1 ? 2 : 1)} %`;

// What a chart shows, for those who cannot see it.
export function inWords(title: string, data: ChartData, say: (value: number) => string): string {
    const values = data.columns.flat().filter((v): v is number => v !== null);
    const top = Math.max(0, ...values);
    if (top === 0) return `${title}: nothing in this time`;
    const at = data.columns[0]?.indexOf(top) ?? -1;
    const when = at >= 0 ? new Date((data.times[at] ?? 0) * 1000).toLocaleString() : "";
    return `${title}: at most ${say(top)}${when ? `, ${when}` : ""}`;
}
