// Plays, watch time, startup and stalls: of one video, or of all.

import { useEffect, useMemo, useState } from "preact/hooks";

import { api } from "../api/client";
import { ApiError, inWords as errorInWords } from "../api/problem";
import type { Analytics } from "../api/types";
import { bitrate } from "../lib/format";
import { watchPath } from "../lib/router";
import { useStore } from "../lib/store";
import { AlertIcon, BackIcon } from "../ui/icons";
import { Chart } from "./chart";
import { FiguresModel, RANGES, RANGE_AT_FIRST, type Range } from "./figures_model";
import {
    inWords,
    milliseconds,
    playsOf,
    ratio,
    rebufferPercentOf,
    startupOf,
    watchMinutesOf,
    watchTime,
} from "./series";

export function AnalyticsPage({ id }: { id: string | null }) {
    const [range, setRange] = useState(RANGE_AT_FIRST);
    const model = useMemo(() => new FiguresModel(id, range), [id, range]);
    const { analytics, error } = useStore(model.state);
    const title = useTitle(id);

    useEffect(() => {
        model.open();
        return () => model.close();
    }, [model]);
    useEffect(() => {
        document.title = id ? `${title ?? "Video"} · Analytics · Vora` : "Analytics · Vora";
    }, [id, title]);

    return (
        <main class="page analytics" data-testid="analytics-page" aria-busy={!analytics && !error}>
            {id && (
                <a class="back" href={watchPath(id)}>
                    <BackIcon size={18} /> Back to the video
                </a>
            )}
            <div class="analytics-head">
                <h1 data-testid="analytics-title">{id ? (title ?? "Video") : "All videos"}</h1>
                <RangeChoice range={range} onChange={setRange} />
            </div>
            {error !== null && (
                <p class="notice notice-warn" role="status" data-testid="analytics-error">
                    <AlertIcon size={18} />
                    <span>{troubleInWords(error)}</span>
                </p>
            )}
            {analytics?.partial && (
                <p class="notice notice-warn">Only your newest videos are counted here.</p>
            )}
            {analytics && <Figures analytics={analytics} />}
        </main>
    );
}

function troubleInWords(error: unknown): string {
    const away = error instanceof ApiError && error.status === 503;
    return away
        ? "The figures are not available right now. They come back by themselves."
        : errorInWords(error);
}

// A deleted video keeps its figures, but not its name.
function useTitle(id: string | null): string | null {
    const [title, setTitle] = useState<string | null>(null);
    useEffect(() => {
        if (!id) return undefined;
        const stop = new AbortController();
        api.video(id, stop.signal).then(
            (v) => setTitle(v.title),
            () => undefined,
        );
        return () => stop.abort();
    }, [id]);
    return title;
}

function RangeChoice({ range, onChange }: { range: Range; onChange: (r: Range) => void }) {
    return (
        <fieldset class="ranges">
            <legend class="visually-hidden">Time</legend>
            {RANGES.map((r) => (
                <label key={r.name} class="range">
                    <input
                        type="radio"
                        name="range"
                        class="visually-hidden"
                        data-testid={`range-${r.name}`}
                        checked={r.name === range.name}
                        onChange={() => onChange(r)}
                    />
                    <span>{r.label}</span>
                </label>
            ))}
        </fieldset>
    );
}

function Figures({ analytics: a }: { analytics: Analytics }) {
    const plays = useMemo(() => playsOf(a), [a]);
    const watched = useMemo(() => watchMinutesOf(a), [a]);
    const startup = useMemo(() => startupOf(a), [a]);
    const stalls = useMemo(() => rebufferPercentOf(a), [a]);
    return (
        <>
            <dl class="figures">
                <Figure id="plays" name="Plays" value={a.plays} text={String(a.plays)} />
                <Figure id="viewers" name="Viewers" value={a.viewers} text={String(a.viewers)} />
                <Figure
                    id="watch-time"
                    name="Watch time"
                    value={a.watch_time_s}
                    text={watchTime(a.watch_time_s)}
                />
                <Figure
                    id="startup"
                    name="Startup, median"
                    value={a.startup_ms.p50}
                    text={milliseconds(a.startup_ms.p50)}
                    more={`95 %: ${milliseconds(a.startup_ms.p95)}`}
                />
                <Figure
                    id="rebuffering"
                    name="Rebuffering"
                    value={a.rebuffer_ratio}
                    text={ratio(a.rebuffer_ratio)}
                    more={`${a.rebuffer_count} ${a.rebuffer_count === 1 ? "stall" : "stalls"}`}
                />
                <Figure
                    id="bitrate"
                    name="Average bitrate"
                    value={a.average_bitrate}
                    text={a.average_bitrate === null ? "–" : bitrate(a.average_bitrate)}
                />
                <Figure id="errors" name="Errors" value={a.errors} text={String(a.errors)} />
            </dl>
            <div class="charts">
                <Chart
                    title="Plays"
                    description={inWords("Plays over time", plays, (v) => `${v}`)}
                    data={plays}
                    names={["Plays"]}
                    bars
                    whole
                    unit=""
                    testid="chart-plays"
                />
                <Chart
                    title="Watch time"
                    description={inWords("Watch time over time", watched, (v) => watchTime(v * 60))}
                    data={watched}
                    names={["Minutes"]}
                    bars
                    unit=" min"
                    testid="chart-watch-time"
                />
                <Chart
                    title="Startup"
                    description={inWords("Startup time over time", startup, milliseconds)}
                    data={startup}
                    names={["Median", "95 %"]}
                    unit=" ms"
                    testid="chart-startup"
                />
                <Chart
                    title="Rebuffering"
                    description={inWords("Rebuffering over time", stalls, (v) => ratio(v / 100))}
                    data={stalls}
                    names={["Share of the time"]}
                    unit=" %"
                    testid="chart-rebuffering"
                />
            </div>
            <Table analytics={a} />
        </>
    );
}

interface FigureProps {
    id: string;
    name: string;
    value: number | null;
    text: string;
    more?: string;
}

function Figure({ id, name, value, text, more }: FigureProps) {
    return (
        <div class="figure" data-testid={`figure-${id}`} data-value={value ?? ""}>
            <dt>{name}</dt>
            <dd>
                <strong>{text}</strong>
                {more && <span class="muted">{more}</span>}
            </dd>
        </div>
    );
}

// The same as the charts, for those who rather read: only parts in which something happened.
function Table({ analytics: a }: { analytics: Analytics }) {
    const rows = a.series
        .map((p, i) => ({ ...p, quality: a.quality[i] }))
        .filter((p) => p.plays > 0 || p.watch_time_s > 0 || (p.quality?.rebuffer_ratio ?? 0) > 0);
    return (
        <details class="analytics-table">
            <summary>As a table</summary>
            <table data-testid="analytics-table">
                <caption class="visually-hidden">Figures over time</caption>
                <thead>
                    <tr>
                        <th scope="col">From</th>
                        <th scope="col">Plays</th>
                        <th scope="col">Watch time</th>
                        <th scope="col">Startup, median</th>
                        <th scope="col">Startup, 95 %</th>
                        <th scope="col">Rebuffering</th>
                    </tr>
                </thead>
                <tbody>
                    {rows.map((p) => (
                        <tr key={p.t}>
                            <th scope="row">{new Date(p.t).toLocaleString()}</th>
                            <td>{p.plays}</td>
                            <td>{watchTime(p.watch_time_s)}</td>
                            <td>{milliseconds(p.quality?.startup_ms.p50 ?? null)}</td>
                            <td>{milliseconds(p.quality?.startup_ms.p95 ?? null)}</td>
                            <td>{ratio(p.quality?.rebuffer_ratio ?? 0)}</td>
                        </tr>
                    ))}
                    {rows.length === 0 && (
                        <tr>
                            <td colSpan={6}>Nothing was watched in this time.</td>
                        </tr>
                    )}
                </tbody>
            </table>
        </details>
    );
}
