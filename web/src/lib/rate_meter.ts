// Bytes per second over a sliding window, so that a stall shows within seconds and one burst does
// not make the estimate jump.

const WINDOW_MS = 5_000;
const SAMPLES_MAX = 64;

export class RateMeter {
    private samples: { at: number; bytes: number }[] = [];

    add(at: number, bytes: number): void {
        const last = this.samples[this.samples.length - 1];
        // A resumed upload may start behind what was counted: begin again.
        if (last && bytes < last.bytes) this.samples = [];
        if (last && at - last.at < WINDOW_MS / SAMPLES_MAX && this.samples.length > 1) {
            last.bytes = bytes;
            return;
        }
        this.samples.push({ at, bytes });
        this.trim(at);
    }

    reset(): void {
        this.samples = [];
    }

    bytesPerSecond(now: number): number {
        this.trim(now);
        const first = this.samples[0];
        const last = this.samples[this.samples.length - 1];
        if (!first || !last || last === first) return 0;
        const seconds = (Math.max(now, last.at) - first.at) / 1000;
        return seconds > 0 ? (last.bytes - first.bytes) / seconds : 0;
    }

    // Null while there is nothing to base an estimate on.
    secondsLeft(now: number, total: number): number | null {
        const speed = this.bytesPerSecond(now);
        const last = this.samples[this.samples.length - 1];
        if (!last || speed <= 0) return null;
        return Math.max(0, total - last.bytes) / speed;
    }

    private trim(now: number): void {
        while (this.samples.length > 2 && now - (this.samples[0]?.at ?? now) > WINDOW_MS)
            this.samples.shift();
        while (this.samples.length > SAMPLES_MAX) this.samples.shift();
    }
}
