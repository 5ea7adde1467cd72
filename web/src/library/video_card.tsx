import { useEffect, useRef, useState } from "preact/hooks";

import type { Video } from "../api/types";
import { ago, clock, percent, remaining, spokenDuration } from "../lib/format";
import { watchPath } from "../lib/router";
import { failureInWords, stageInWords, stateWord } from "../lib/words";
import { posters } from "../studio";
import { AlertIcon, FilmIcon, GlobeIcon, LockIcon, PlayIcon, UploadIcon } from "../ui/icons";
import { ProgressBar } from "../ui/progress_bar";
import { type UploadItem, sentPercent } from "../uploads/queue";

interface Props {
    video: Video;
    upload: UploadItem | null; // when this page is uploading it
    interrupted: boolean; // this browser began its upload earlier
    now: number;
    onContinue: () => void;
}

export function VideoCard({ video, upload, interrupted, now, onContinue }: Props) {
    const state = upload && video.state === "CREATED" ? uploadWord(upload) : stateWord(video.state);
    return (
        <article
            class="card"
            data-testid="video-card"
            data-video-id={video.id}
            data-state={video.state}
        >
            <div class="card-picture">
                <Thumbnail video={video} />
                {video.state === "READY" && (
                    <span class="card-play" aria-hidden="true">
                        <PlayIcon size={26} />
                    </span>
                )}
                {video.duration_s !== null && (
                    <span class="card-duration" data-testid="video-duration">
                        <span aria-hidden="true">{clock(video.duration_s)}</span>
                        <span class="visually-hidden">{spokenDuration(video.duration_s)}</span>
                    </span>
                )}
            </div>
            <div class="card-body">
                <h3 class="card-title">
                    <a href={watchPath(video.id)} class="card-link" data-testid="watch-link">
                        <span data-testid="video-title">{video.title}</span>
                    </a>
                </h3>
                <div class="card-meta">
                    <span
                        class={`pill pill-${video.state.toLowerCase()}`}
                        data-testid="video-state"
                        data-state={video.state}
                    >
                        {state}
                    </span>
                    <span
                        class="card-visibility"
                        title={video.visibility === "public" ? "Public" : "Private"}
                    >
                        {video.visibility === "public" ? (
                            <GlobeIcon size={15} />
                        ) : (
                            <LockIcon size={15} />
                        )}
                        <span class="visually-hidden">{video.visibility}</span>
                    </span>
                    <time
                        class="card-date"
                        dateTime={video.created_at}
                        title={fullDate(video.created_at)}
                    >
                        {ago(video.created_at, now)}
                    </time>
                </div>
                <CardStatus
                    video={video}
                    upload={upload}
                    interrupted={interrupted}
                    onContinue={onContinue}
                />
            </div>
        </article>
    );
}

function uploadWord(upload: UploadItem): string {
    if (upload.status === "paused") return "Paused";
    return upload.status === "failed" ? "Upload failed" : "Uploading";
}

const fullDate = (text: string): string => new Date(text).toLocaleString();

function CardStatus({ video, upload, interrupted, onContinue }: Omit<Props, "now">) {
    if (video.state === "PROCESSING") {
        const p = video.progress;
        const done = p ? percent(p.percent) : null;
        const words = [
            stageInWords(p),
            done === null ? "" : `${Math.floor(done)} %`,
            remaining(p?.eta_s),
        ];
        return (
            <div class="card-status">
                <ProgressBar
                    percent={done}
                    label={`Processing of ${video.title}`}
                    testid="video-progress"
                />
                <span class="card-note" data-testid="video-eta">
                    {words.filter(Boolean).join(" · ")}
                </span>
            </div>
        );
    }
    if (video.state === "FAILED") {
        return (
            <p class="card-note card-error" data-testid="video-error" data-code={video.error?.code}>
                {failureInWords(video.error)}
            </p>
        );
    }
    if (video.state === "CREATED" && upload) {
        return (
            <div class="card-status">
                <ProgressBar
                    percent={sentPercent(upload)}
                    label={`Upload of ${video.title}`}
                    testid="video-progress"
                />
            </div>
        );
    }
    if (video.state === "CREATED" && interrupted) {
        return (
            <p class="card-note">
                Interrupted.{" "}
                <button
                    type="button"
                    class="text-button"
                    data-testid="upload-continue"
                    onClick={onContinue}
                >
                    Choose the same file
                </button>{" "}
                to go on.
            </p>
        );
    }
    return null;
}

function Thumbnail({ video }: { video: Video }) {
    const box = useRef<HTMLDivElement>(null);
    const [seen, setSeen] = useState(false);
    const [url, setUrl] = useState<string | null>(null);

    useEffect(() => {
        const element = box.current;
        if (!element) return undefined;
        const observer = new IntersectionObserver(
            (entries) => {
                if (!entries.some((e) => e.isIntersecting)) return;
                setSeen(true);
                observer.disconnect();
            },
            { rootMargin: "300px" },
        );
        observer.observe(element);
        return () => observer.disconnect();
    }, []);

    useEffect(() => {
        let current = true;
        if (seen) void posters.of(video).then((found) => current && setUrl(found));
        return () => {
            current = false;
        };
    }, [seen, video.id, video.playable_at, video.visibility]);

    return (
        <div ref={box} class="thumbnail">
            {url ? (
                <img
                    src={url}
                    alt=""
                    decoding="async"
                    data-testid="video-thumbnail"
                    onError={() => {
                        posters.forget(video.id);
                        setUrl(null);
                    }}
                />
            ) : (
                <span
                    class={`thumbnail-blank${video.state === "PROCESSING" ? " thumbnail-busy" : ""}`}
                >
                    {video.state === "FAILED" ? (
                        <AlertIcon size={34} />
                    ) : video.state === "CREATED" ? (
                        <UploadIcon size={34} />
                    ) : (
                        <FilmIcon size={34} />
                    )}
                </span>
            )}
        </div>
    );
}
