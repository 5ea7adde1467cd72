// Title, description and what the owner can do with the video.

import { useEffect, useState } from "preact/hooks";

import { type VideoChange, api } from "../api/client";
import { ApiError, inWords } from "../api/problem";
import type { Video } from "../api/types";
import { analyticsPath, navigate, watchPath } from "../lib/router";
import { stateWord } from "../lib/words";
import { library, posters } from "../studio";
import { ConfirmDialog } from "../ui/confirm_dialog";
import { ChartIcon, CheckIcon, GlobeIcon, LinkIcon, LockIcon, PencilIcon, TrashIcon } from "../ui/icons";
import { toast } from "../ui/toasts";

interface Props {
    video: Video;
    editor: boolean;
    onChange: (video: Video) => void;
}

export function Headline({ video, editor, onChange }: Props) {
    const [editing, setEditing] = useState(false);

    const save = async (change: VideoChange, version?: number): Promise<boolean> => {
        try {
            const changed = await api.change(video.id, change, version);
            onChange(changed);
            library.put(changed);
            return true;
        } catch (error) {
            toast(inWords(error), "error");
            if (error instanceof ApiError && error.status === 412)
                onChange(await api.video(video.id));
            return false;
        }
    };

    return (
        <section class="headline" aria-label="About this video">
            {editing ? (
                <EditForm video={video} save={save} onClose={() => setEditing(false)} />
            ) : (
                <>
                    <div class="headline-title">
                        <h1 data-testid="watch-title">{video.title}</h1>
                        <span
                            class={`pill pill-${video.state.toLowerCase()}`}
                            data-testid="video-state"
                            data-state={video.state}
                        >
                            {stateWord(video.state)}
                        </span>
                    </div>
                    {video.description && (
                        <p class="description" data-testid="watch-description">
                            {video.description}
                        </p>
                    )}
                </>
            )}
            <div class="actions">
                {editor && <VisibilitySwitch video={video} save={save} />}
                <CopyLink video={video} />
                <a class="button" href={analyticsPath(video.id)} data-testid="video-analytics">
                    <ChartIcon size={18} /> Analytics
                </a>
                {editor && !editing && (
                    <button
                        type="button"
                        class="button"
                        data-testid="edit-video"
                        onClick={() => setEditing(true)}
                    >
                        <PencilIcon size={18} /> Edit
                    </button>
                )}
                {editor && <DeleteButton video={video} />}
            </div>
        </section>
    );
}

type Save = (change: VideoChange, version?: number) => Promise<boolean>;

function EditForm({ video, save, onClose }: { video: Video; save: Save; onClose: () => void }) {
    const [title, setTitle] = useState(video.title);
    const [description, setDescription] = useState(video.description ?? "");
    const [busy, setBusy] = useState(false);

    const submit = async (event: Event): Promise<void> => {
        event.preventDefault();
        if (!title.trim() || busy) return;
        setBusy(true);
        const saved = await save({ title: title.trim(), description }, video.version);
        setBusy(false);
        if (saved) onClose();
    };

    return (
        <form
            class="edit-form"
            onSubmit={submit}
            onKeyDown={(event) => {
                if (event.key === "Escape") onClose();
            }}
        >
            <label class="field">
                <span class="field-label">Title</span>
                <input
                    type="text"
                    required
                    maxLength={200}
                    autofocus
                    data-testid="edit-title"
                    value={title}
                    onInput={(event) => setTitle(event.currentTarget.value)}
                />
            </label>
            <label class="field">
                <span class="field-label">Description</span>
                <textarea
                    rows={4}
                    maxLength={5000}
                    data-testid="edit-description"
                    value={description}
                    onInput={(event) => setDescription(event.currentTarget.value)}
                />
            </label>
            <div class="form-actions">
                <button
                    type="submit"
                    class="button button-primary"
                    disabled={busy || !title.trim()}
                    data-testid="edit-save"
                >
                    {busy ? "Saving…" : "Save"}
                </button>
                <button type="button" class="button" data-testid="edit-cancel" onClick={onClose}>
                    Cancel
                </button>
            </div>
        </form>
    );
}

function VisibilitySwitch({ video, save }: { video: Video; save: Save }) {
    const [busy, setBusy] = useState(false);
    const isPublic = video.visibility === "public";
    return (
        <button
            type="button"
            class="switch"
            role="switch"
            aria-checked={isPublic}
            aria-label="Public"
            disabled={busy}
            title={
                isPublic ? "Everyone with the link can watch" : "Only signed-in people can watch"
            }
            data-testid="visibility-toggle"
            data-visibility={video.visibility}
            onClick={async () => {
                setBusy(true);
                const saved = await save({ visibility: isPublic ? "private" : "public" });
                setBusy(false);
                if (!saved) return;
                posters.forget(video.id);
                toast(
                    isPublic
                        ? "Private: only signed-in people can watch"
                        : "Public: everyone with the link can watch",
                );
            }}
        >
            <span class="switch-track" aria-hidden="true">
                <span class="switch-thumb">
                    {isPublic ? <GlobeIcon size={13} /> : <LockIcon size={13} />}
                </span>
            </span>
            <span aria-hidden="true">{isPublic ? "Public" : "Private"}</span>
        </button>
    );
}

const COPIED_MS = 2_000;

function CopyLink({ video }: { video: Video }) {
    const [copied, setCopied] = useState(false);
    const link = new URL(watchPath(video.id), location.origin).toString();

    useEffect(() => {
        if (!copied) return undefined;
        const timer = setTimeout(() => setCopied(false), COPIED_MS);
        return () => clearTimeout(timer);
    }, [copied]);

    const copy = async (): Promise<void> => {
        if (await copyText(link)) {
            setCopied(true);
            toast(
                video.visibility === "public"
                    ? "Link copied"
                    : "Link copied; it works for signed-in people only",
            );
        } else {
            toast(link); // forbidden by the browser: at least show it
        }
    };
    return (
        <button
            type="button"
            class="button"
            data-testid="copy-link"
            data-link={link}
            onClick={() => void copy()}
        >
            {copied ? <CheckIcon size={18} /> : <LinkIcon size={18} />}{" "}
            {copied ? "Copied" : "Copy link"}
        </button>
    );
}

// navigator.clipboard exists in secure contexts only; a plain http address in a home network is
// none.
async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const area = document.createElement("textarea");
        area.value = text;
        area.className = "visually-hidden";
        document.body.append(area);
        area.select();
        const done = document.execCommand("copy");
        area.remove();
        return done;
    }
}

function DeleteButton({ video }: { video: Video }) {
    const [asking, setAsking] = useState(false);
    const [busy, setBusy] = useState(false);
    const remove = async (): Promise<void> => {
        setBusy(true);
        try {
            await library.remove(video.id);
            toast(`“${video.title}” was deleted`);
            navigate("/");
        } catch (error) {
            toast(inWords(error), "error");
            setBusy(false);
            setAsking(false);
        }
    };
    return (
        <>
            <button
                type="button"
                class="button button-danger-quiet"
                data-testid="delete-video"
                onClick={() => setAsking(true)}
            >
                <TrashIcon size={18} /> Delete
            </button>
            {asking && (
                <ConfirmDialog
                    title="Delete this video?"
                    text={`“${video.title}” and all that was made from it will be removed. This cannot be undone.`}
                    action={busy ? "Deleting…" : "Delete"}
                    busy={busy}
                    onConfirm={() => void remove()}
                    onClose={() => setAsking(false)}
                />
            )}
        </>
    );
}
