// The list of videos, kept up to date while somebody looks at it.

import { api } from "../api/client";
import { ApiError } from "../api/problem";
import type { Video } from "../api/types";
import { Poller } from "../lib/poll";
import { Store } from "../lib/store";
import { appendPage, mergeFirstPage, replaceOne, withoutOne } from "./merge";

export interface LibraryState {
    videos: readonly Video[];
    loaded: boolean;
    nextPageToken: string | null;
    loadingMore: boolean;
    error: unknown; // of the last refresh; null when it worked
}

const CHANGING_BEYOND_FIRST_PAGE_MAX = 10;

export class Library {
    readonly state = new Store<LibraryState>({
        videos: [],
        loaded: false,
        nextPageToken: null,
        loadingMore: false,
        error: null,
    });
    // Says in words what changed, for the live region.
    announce: (text: string) => void = () => undefined;
    onUnauthorized: () => void = () => undefined;

    private readonly poller = new Poller(() => this.refresh());
    private beyondFirstPage = false;
    private readonly removed = new Set<string>();

    open(): void {
        this.poller.start();
    }

    close(): void {
        this.poller.stop();
    }

    poke(): void {
        this.poller.poke();
    }

    forgetAll(): void {
        this.beyondFirstPage = false;
        this.state.set({
            videos: [],
            loaded: false,
            nextPageToken: null,
            loadingMore: false,
            error: null,
        });
    }

    put(video: Video): void {
        this.change({ videos: replaceOne(this.state.value.videos, video) });
    }

    async remove(id: string): Promise<void> {
        await api.remove(id);
        this.removed.add(id); // an answer that was under way may still hold it
        this.change({ videos: withoutOne(this.state.value.videos, id) });
    }

    async loadMore(): Promise<void> {
        const { nextPageToken, loadingMore } = this.state.value;
        if (!nextPageToken || loadingMore) return;
        this.change({ loadingMore: true });
        try {
            const page = await api.videos(nextPageToken);
            this.beyondFirstPage = true;
            this.change({
                videos: appendPage(this.state.value.videos, this.alive(page.videos)),
                nextPageToken: page.next_page_token || null,
                error: null,
            });
        } catch (error) {
            this.fail(error);
        } finally {
            this.change({ loadingMore: false });
        }
    }

    private async refresh(): Promise<{ changing: boolean; waiting: boolean }> {
        try {
            const page = await api.videos();
            const before = this.state.value.videos;
            const complete = !page.next_page_token;
            const videos = mergeFirstPage(before, this.alive(page.videos), complete);
            const nextPageToken = this.beyondFirstPage
                ? this.state.value.nextPageToken
                : page.next_page_token || null;
            this.tellChanges(before, videos);
            this.change({ videos, loaded: true, nextPageToken, error: null });
            await this.refreshBeyond(new Set(page.videos.map((v) => v.id)));
        } catch (error) {
            this.fail(error);
            throw error;
        }
        const { videos } = this.state.value;
        return {
            changing: videos.some((v) => v.state === "PROCESSING"),
            waiting: videos.some((v) => v.state === "CREATED"),
        };
    }

    // Videos of further pages that are still being processed are asked one by one.
    private async refreshBeyond(firstPage: Set<string>): Promise<void> {
        const changing = this.state.value.videos.filter(
            (v) => v.state === "PROCESSING" && !firstPage.has(v.id),
        );
        for (const { id } of changing.slice(0, CHANGING_BEYOND_FIRST_PAGE_MAX)) {
            try {
                this.put(await api.video(id));
            } catch (error) {
                if (!(error instanceof ApiError && error.status === 404)) throw error;
                this.change({ videos: withoutOne(this.state.value.videos, id) });
            }
        }
    }

    private tellChanges(before: readonly Video[], after: readonly Video[]): void {
        const states = new Map(before.map((v) => [v.id, v.state]));
        for (const v of after) {
            const was = states.get(v.id);
            if (was === undefined || was === v.state) continue;
            if (v.state === "READY") this.announce(`${v.title} is ready`);
            if (v.state === "FAILED") this.announce(`${v.title} failed`);
        }
    }

    private alive(videos: readonly Video[]): Video[] {
        return videos.filter((v) => !this.removed.has(v.id));
    }

    private fail(error: unknown): void {
        if (error instanceof ApiError && error.status === 401) this.onUnauthorized();
        this.change({ error });
    }

    private change(part: Partial<LibraryState>): void {
        this.state.update((s) => ({ ...s, ...part }));
    }
}
