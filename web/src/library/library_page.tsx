import { useEffect, useRef, useState } from "preact/hooks";

import { inWords } from "../api/problem";
import { useStore } from "../lib/store";
import { mayEdit, session } from "../session/session";
import { library, uploads } from "../studio";
import { AlertIcon } from "../ui/icons";
import { Dropzone, useWindowDrop } from "../uploads/file_drop";
import { UploadPanel } from "../uploads/upload_panel";
import { VideoCard } from "./video_card";

const CLOCK_MS = 30_000;

function useNow(): number {
    const [now, setNow] = useState(Date.now);
    useEffect(() => {
        const timer = setInterval(() => setNow(Date.now()), CLOCK_MS);
        return () => clearInterval(timer);
    }, []);
    return now;
}

export function LibraryPage() {
    const state = useStore(library.state);
    const items = useStore(uploads.items);
    const editor = mayEdit(useStore(session));
    const over = useWindowDrop() && editor;
    const input = useRef<HTMLInputElement>(null);
    const now = useNow();

    useEffect(() => {
        document.title = "Vora Studio";
        library.open();
        return () => library.close();
    }, []);

    const interrupted = new Set(uploads.memory.all().map((r) => r.videoId));
    const empty = state.loaded && state.videos.length === 0;
    return (
        <main class={`page${over ? " page-drop" : ""}`}>
            <h1 class="visually-hidden">Videos</h1>
            {editor && <Dropzone large={empty && items.length === 0} over={over} input={input} />}
            <UploadPanel />
            {state.error !== null && (
                <p class="notice notice-bad" role="alert" data-testid="library-error">
                    <AlertIcon size={18} />
                    <span>{inWords(state.error)}</span>
                </p>
            )}
            <section aria-label="Videos" aria-busy={!state.loaded}>
                {(!empty || items.length > 0) && (
                    <div class="section-head">
                        <h2>Videos</h2>
                    </div>
                )}
                {!state.loaded && state.error === null && <SkeletonGrid />}
                {empty && items.length === 0 && !editor && <p class="muted">No videos yet.</p>}
                <div class="grid" data-testid="video-grid">
                    {state.videos.map((video) => (
                        <VideoCard
                            key={video.id}
                            video={video}
                            upload={
                                items.find((i) => i.videoId === video.id && i.status !== "done") ??
                                null
                            }
                            interrupted={interrupted.has(video.id)}
                            now={now}
                            onContinue={() => input.current?.click()}
                        />
                    ))}
                </div>
                {state.nextPageToken && (
                    <div class="more">
                        <button
                            type="button"
                            class="button"
                            data-testid="load-more"
                            disabled={state.loadingMore}
                            onClick={() => void library.loadMore()}
                        >
                            {state.loadingMore ? "Loading…" : "Show more"}
                        </button>
                    </div>
                )}
            </section>
        </main>
    );
}

function SkeletonGrid() {
    return (
        <div class="grid" aria-hidden="true">
            {[0, 1, 2, 3].map((n) => (
                <div key={n} class="card card-skeleton">
                    <div class="card-picture" />
                    <div class="card-body">
                        <div class="skeleton-line" />
                        <div class="skeleton-line skeleton-short" />
                    </div>
                </div>
            ))}
        </div>
    );
}
