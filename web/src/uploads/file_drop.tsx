// Ways to give files to the page: the button, the dropzone, dropping anywhere on the window.

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { uploads } from "../studio";
import { UploadIcon } from "../ui/icons";
import { toast } from "../ui/toasts";

const ACCEPT =
    "video/*,.mkv,.avi,.mov,.mp4,.m4v,.webm,.ts,.mts,.m2ts,.flv,.wmv,.mpg,.mpeg,.mxf,.3gp";

function take(files: Iterable<File>): void {
    const list = [...files];
    if (list.length > 0) uploads.add(list);
}

const carriesFiles = (event: DragEvent): boolean =>
    event.dataTransfer?.types.includes("Files") ?? false;

// A directory arrives as an entry that cannot be read as a file.
function filesOf(event: DragEvent): File[] {
    const items = [...(event.dataTransfer?.items ?? [])].filter((i) => i.kind === "file");
    const directories = items.filter((i) => i.webkitGetAsEntry?.()?.isDirectory);
    if (directories.length > 0)
        toast("Folders cannot be uploaded; add the files in them.", "error");
    const files = items.filter((i) => !directories.includes(i)).map((i) => i.getAsFile());
    return files.filter((f): f is File => f !== null);
}

export function useWindowDrop(): boolean {
    const [over, setOver] = useState(false);
    useEffect(() => {
        // dragenter and dragleave also fire between children: count them.
        let depth = 0;
        const enter = (event: DragEvent): void => {
            if (!carriesFiles(event)) return;
            depth += 1;
            setOver(true);
        };
        const leave = (event: DragEvent): void => {
            if (!carriesFiles(event)) return;
            depth = Math.max(0, depth - 1);
            if (depth === 0) setOver(false);
        };
        const hover = (event: DragEvent): void => {
            if (carriesFiles(event)) event.preventDefault();
        };
        const drop = (event: DragEvent): void => {
            depth = 0;
            setOver(false);
            if (!carriesFiles(event)) return;
            event.preventDefault();
            take(filesOf(event));
        };
        const on = { dragenter: enter, dragleave: leave, dragover: hover, drop };
        for (const [name, f] of Object.entries(on))
            window.addEventListener(name, f as EventListener);
        return () => {
            for (const [name, f] of Object.entries(on))
                window.removeEventListener(name, f as EventListener);
        };
    }, []);
    return over;
}

interface Props {
    large: boolean;
    over: boolean;
    input: RefObject<HTMLInputElement | null>;
}

export function Dropzone({ large, over, input }: Props) {
    const zone = useRef<HTMLDivElement>(null);
    return (
        <div
            ref={zone}
            class={`dropzone${large ? " dropzone-large" : ""}${over ? " dropzone-over" : ""}`}
            data-testid="dropzone"
        >
            <input
                ref={input}
                id="upload-input"
                class="visually-hidden"
                type="file"
                accept={ACCEPT}
                multiple
                data-testid="upload-input"
                onChange={(event) => {
                    take(event.currentTarget.files ?? []);
                    event.currentTarget.value = ""; // the same file may be chosen again
                }}
            />
            <span class="dropzone-icon">
                <UploadIcon size={large ? 30 : 22} />
            </span>
            <p class="dropzone-text">
                <strong>{over ? "Let go to upload" : "Drop videos here"}</strong>
                {!over && (
                    <>
                        {" "}
                        or{" "}
                        <label class="dropzone-choose" for="upload-input">
                            choose files
                        </label>
                    </>
                )}
            </p>
            {large && <p class="muted">Uploads survive a lost connection and a closed tab.</p>}
        </div>
    );
}
