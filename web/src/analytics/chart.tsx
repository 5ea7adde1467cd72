// One chart over time. uPlot draws on a canvas and sets sizes through the DOM, so the page's policy
// holds; it is loaded only here.

import { useEffect, useRef } from "preact/hooks";

import type uPlot from "uplot";

import type { ChartData } from "./series";

interface Props {
    title: string;
    description: string; // what it shows, in words
    data: ChartData;
    names: string[]; // of the columns
    bars?: boolean;
    whole?: boolean; // counts: no half ticks
    unit: string;
    testid: string;
}

const HEIGHT = 190;
const COLOURS = ["--accent", "--warn"];

const WHOLE = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((e) => n * 10 ** e));
WHOLE.sort((a, b) => a - b);

const colour = (name: string): string =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

type Plot = uPlot;
type Module = typeof uPlot;

function make(plot: Module, into: HTMLElement, props: Props): Plot {
    const muted = colour("--muted");
    const axis = { stroke: muted, grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const series = props.names.map((label, i) => {
        const stroke = colour(COLOURS[i] ?? "--text");
        const bars = props.bars ? { paths: plot.paths.bars?.({ size: [0.8, 40] }) } : {};
        return {
            label,
            stroke,
            width: 2,
            ...(props.bars ? { fill: stroke } : {}),
            spanGaps: true,
            points: { show: !props.bars, size: 5, fill: stroke },
            ...bars,
        } as uPlot.Series;
    });
    const options: uPlot.Options = {
        width: into.clientWidth || 300,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        scales: { y: { range: (_u, _min, max) => [0, max > 0 ? max * 1.1 : 1] } },
        axes: [
            axis,
            {
                ...axis,
                size: 54,
                values: (_u, ticks) => ticks.map((t) => `${t}${props.unit}`),
                ...(props.whole ? { incrs: WHOLE } : {}),
            },
        ],
        series: [{}, ...series],
    };
    return new plot(options, dataOf(props.data), into);
}

const dataOf = (data: ChartData): uPlot.AlignedData =>
    [data.times, ...data.columns] as uPlot.AlignedData;

export function Chart(props: Props) {
    const place = useRef<HTMLDivElement>(null);
    const drawn = useRef<Plot | null>(null);
    const latest = useRef(props);
    latest.current = props;

    useEffect(() => {
        const into = place.current;
        if (!into) return undefined;
        let module: Module | null = null;
        const draw = (): void => {
            drawn.current?.destroy();
            drawn.current = module && make(module, into, latest.current);
        };
        let gone = false;
        import("uplot").then(
            (loaded) => {
                module = loaded.default;
                if (!gone) draw();
            },
            () => undefined, // the table says the same
        );
        const resized = new ResizeObserver(() => {
            drawn.current?.setSize({ width: into.clientWidth, height: HEIGHT });
        });
        resized.observe(into);
        const dark = matchMedia("(prefers-color-scheme: dark)");
        dark.addEventListener("change", draw);
        return () => {
            gone = true;
            resized.disconnect();
            dark.removeEventListener("change", draw);
            drawn.current?.destroy();
            drawn.current = null;
        };
    }, []);

    useEffect(() => drawn.current?.setData(dataOf(props.data)), [props.data]);

    return (
        <figure class="chart" data-testid={props.testid}>
            <figcaption>
                <h3>{props.title}</h3>
                {props.names.length > 1 && (
                    <ul class="chart-names" aria-hidden="true">
                        {props.names.map((name, i) => (
                            <li key={name} class={`chart-name chart-name-${i}`}>
                                {name}
                            </li>
                        ))}
                    </ul>
                )}
            </figcaption>
            <div class="chart-place" ref={place} role="img" aria-label={props.description} />
        </figure>
    );
}
