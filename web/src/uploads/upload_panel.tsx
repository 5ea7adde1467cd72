import { bytes, rate, remaining } from "../lib/format";
import { watchPath } from "../lib/router";
import { useStore } from "../lib/store";
import { uploads } from "../studio";
import { AlertIcon, CheckIcon, CloseIcon, PauseIcon, PlayIcon, RetryIcon } from "../ui/icons";
import { ProgressBar } from "../ui/progress_bar";
import { type UploadItem, isOver, isRunning, sentPercent } from "./queue";

export function UploadPanel() {
    const items = useStore(uploads.items);
    if (items.length === 0) return null;
    const done = items.filter((i) => i.status === "done").length;
    return (
        <section class="uploads" aria-label="Uploads">
            <div class="section-head">
                <h2>Uploads</h2>
                <span class="muted">{summary(items)}</span>
                {done > 0 && (
                    <button
                        type="button"
                        class="button button-quiet"
                        onClick={() => uploads.dismissDone()}
                    >
                        Clear finished
                    </button>
                )}
            </div>
            <ul class="upload-list">
                {items.map((item) => (
                    <UploadRow key={item.key} item={item} />
                ))}
            </ul>
        </section>
    );
}

function summary(items: readonly UploadItem[]): string {
    const open = items.filter((i) => !isOver(i));
    if (open.length === 0) return "All done";
    const left = open.reduce((sum, i) => sum + i.size - i.sent, 0);
    return `${open.length} of ${items.length} left, ${bytes(left)}`;
}

function UploadRow({ item }: { item: UploadItem }) {
    const percent = sentPercent(item);
    const unknown = item.status === "starting" || item.status === "finishing";
    return (
        <li
            class={`upload upload-${item.status}`}
            data-testid="upload-item"
            data-status={item.status}
        >
            <span class="upload-mark" aria-hidden="true">
                {item.status === "done" ? (
                    <CheckIcon size={18} />
                ) : item.status === "failed" ? (
                    <AlertIcon size={18} />
                ) : (
                    <span class="upload-percent">{Math.floor(percent)}%</span>
                )}
            </span>
            <div class="upload-main">
                <div class="upload-line">
                    {item.videoId && item.status === "done" ? (
                        <a class="upload-name" href={watchPath(item.videoId)}>
                            {item.name}
                        </a>
                    ) : (
                        <span class="upload-name">{item.name}</span>
                    )}
                    <span class="upload-facts">{facts(item)}</span>
                </div>
                {item.status === "failed" ? (
                    <p class="upload-error" role="alert">
                        {item.error}
                    </p>
                ) : (
                    <ProgressBar
                        percent={unknown ? null : percent}
                        label={`Upload of ${item.name}`}
                        testid="upload-progress"
                        tone={isRunning(item) || item.status === "done" ? "accent" : "quiet"}
                    />
                )}
            </div>
            <UploadActions item={item} />
        </li>
    );
}

function facts(item: UploadItem): string {
    const amount = `${bytes(item.sent)} of ${bytes(item.size)}`;
    switch (item.status) {
        case "queued":
            return `Waiting, ${bytes(item.size)}`;
        case "starting":
            return "Starting…";
        case "uploading":
            return [amount, item.rate > 0 ? rate(item.rate) : "", remaining(item.secondsLeft)]
                .filter(Boolean)
                .join(" · ");
        case "retrying":
            return `${amount} · connection lost, trying again…`;
        case "offline":
            return `${amount} · offline, goes on by itself`;
        case "paused":
            return `${amount} · paused`;
        case "finishing":
            return "Finishing…";
        case "done":
            return `${bytes(item.size)} · uploaded`;
        case "failed":
            return bytes(item.size);
    }
}

function UploadActions({ item }: { item: UploadItem }) {
    const { key, name } = item;
    return (
        <div class="upload-actions">
            {(item.status === "queued" || (isRunning(item) && item.status !== "finishing")) && (
                <button
                    type="button"
                    class="icon-button"
                    data-testid="upload-pause"
                    aria-label={`Pause the upload of ${name}`}
                    title="Pause"
                    onClick={() => uploads.pause(key)}
                >
                    <PauseIcon size={18} />
                </button>
            )}
            {(item.status === "paused" || item.status === "failed") && (
                <button
                    type="button"
                    class="icon-button"
                    data-testid="upload-resume"
                    aria-label={`${item.status === "failed" ? "Try again:" : "Resume"} the upload of ${name}`}
                    title={item.status === "failed" ? "Try again" : "Resume"}
                    onClick={() => uploads.resume(key)}
                >
                    {item.status === "failed" ? <RetryIcon size={18} /> : <PlayIcon size={18} />}
                </button>
            )}
            {isOver(item) ? (
                <button
                    type="button"
                    class="icon-button"
                    data-testid="upload-dismiss"
                    aria-label={`Remove ${name} from this list`}
                    title="Remove from this list"
                    onClick={() => uploads.dismiss(key)}
                >
                    <CloseIcon size={18} />
                </button>
            ) : (
                item.status !== "finishing" && (
                    <button
                        type="button"
                        class="icon-button"
                        data-testid="upload-cancel"
                        aria-label={`Cancel the upload of ${name}`}
                        title="Cancel"
                        onClick={() => void uploads.cancel(key)}
                    >
                        <CloseIcon size={18} />
                    </button>
                )
            )}
        </div>
    );
}
