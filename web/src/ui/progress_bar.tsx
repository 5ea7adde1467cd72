interface Props {
    percent: number | null; // null: it moves, nobody knows how far
    label: string;
    testid: string;
    tone?: "accent" | "quiet";
}

export function ProgressBar({ percent, label, testid, tone = "accent" }: Props) {
    const known = percent !== null;
    return (
        <div
            class={`bar bar-${tone}${known ? "" : " bar-unknown"}`}
            role="progressbar"
            aria-label={label}
            aria-valuemin={0}
            aria-valuemax={100}
            {...(known ? { "aria-valuenow": Math.floor(percent) } : {})}
            data-testid={testid}
        >
            <div class="bar-fill" style={known ? { transform: `scaleX(${percent / 100})` } : {}} />
        </div>
    );
}
