// When to ask again: often while something moves, seldom when nothing does, never while nobody
// looks.

export interface PollState {
    changing: boolean; // something is being processed
    waiting: boolean; // something may begin without us (an upload of another program)
    failures: number; // in a row
}

export function pollDelayMs(state: PollState): number {
    if (state.failures > 0) return Math.min(30_000, 1_000 * 2 ** Math.min(state.failures, 5));
    if (state.changing) return 1_200;
    return state.waiting ? 3_000 : 5_000;
}

// Runs `ask` again and again until stopped; `ask` returns the state that decides the next delay.
// Paused while the page is hidden; asks at once when it is shown again or poked.
export class Poller {
    private timer: ReturnType<typeof setTimeout> | null = null;
    private stopped = true;
    private running = false;
    private again = false;
    private failures = 0;

    constructor(private readonly ask: () => Promise<Omit<PollState, "failures">>) {}

    start(): void {
        this.stopped = false;
        document.addEventListener("visibilitychange", this.onVisibility);
        this.poke();
    }

    stop(): void {
        this.stopped = true;
        document.removeEventListener("visibilitychange", this.onVisibility);
        this.clear();
    }

    poke(): void {
        if (this.stopped) return;
        if (this.running) {
            this.again = true;
            return;
        }
        this.clear();
        void this.run();
    }

    private readonly onVisibility = (): void => {
        if (document.hidden) this.clear();
        else this.poke();
    };

    private async run(): Promise<void> {
        this.running = true;
        let state = { changing: false, waiting: false };
        try {
            state = await this.ask();
            this.failures = 0;
        } catch {
            this.failures += 1;
        }
        this.running = false;
        if (this.stopped) return;
        if (this.again) {
            this.again = false;
            this.poke();
            return;
        }
        if (document.hidden) return;
        this.clear();
        this.timer = setTimeout(
            () => this.poke(),
            pollDelayMs({ ...state, failures: this.failures }),
        );
    }

    private clear(): void {
        if (this.timer !== null) clearTimeout(this.timer);
        this.timer = null;
    }
}
