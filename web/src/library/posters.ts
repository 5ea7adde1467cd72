// Addresses of thumbnails. A public video's is known; a private one's carries a grant that the API
// gives out, which is asked for once, when the card comes into view, a few at a time.

import { api } from "../api/client";
import type { Video } from "../api/types";
import { posterOfPublic } from "./merge";

const AT_ONCE_MAX = 3;
const MARGIN_MS = 60_000;

interface Known {
    url: string | null;
    until: number;
}

export class Posters {
    private readonly known = new Map<string, Known>();
    private readonly asked = new Map<string, Promise<string | null>>();
    private readonly queue: (() => void)[] = [];
    private running = 0;

    async of(video: Video): Promise<string | null> {
        if (!video.playable_at) return null;
        const open = posterOfPublic(video);
        if (open) return open;
        const known = this.known.get(video.id);
        if (known && known.until > Date.now()) return known.url;
        const pending = this.asked.get(video.id);
        if (pending) return pending;
        const asking = this.ask(video.id).finally(() => this.asked.delete(video.id));
        this.asked.set(video.id, asking);
        return asking;
    }

    forget(id: string): void {
        this.known.delete(id);
    }

    private async ask(id: string): Promise<string | null> {
        if (this.running >= AT_ONCE_MAX)
            await new Promise<void>((resolve) => this.queue.push(resolve));
        this.running += 1;
        try {
            const playback = await api.playback(id);
            const until = Date.parse(playback.expires_at) - MARGIN_MS;
            this.known.set(id, { url: playback.poster_url, until });
            return playback.poster_url;
        } catch {
            return null; // a card without a picture is still a card
        } finally {
            this.running -= 1;
            this.queue.shift()?.();
        }
    }
}
