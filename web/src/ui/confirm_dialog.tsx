// A modal question. The browser's <dialog> keeps the focus inside, closes on Escape and gives it
// back.

import { useEffect, useRef } from "preact/hooks";

interface Props {
    title: string;
    text: string;
    action: string;
    busy: boolean;
    onConfirm: () => void;
    onClose: () => void;
}

export function ConfirmDialog({ title, text, action, busy, onConfirm, onClose }: Props) {
    const dialog = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        const element = dialog.current;
        if (element && !element.open) element.showModal();
        return () => element?.close();
    }, []);
    return (
        <dialog
            ref={dialog}
            class="dialog"
            aria-labelledby="dialog-title"
            aria-describedby="dialog-text"
            data-testid="confirm-dialog"
            onCancel={(event) => {
                event.preventDefault();
                onClose();
            }}
            onClick={(event) => {
                if (event.target === dialog.current) onClose();
            }}
        >
            <div class="dialog-body">
                <h2 id="dialog-title">{title}</h2>
                <p id="dialog-text">{text}</p>
                <div class="dialog-actions">
                    <button
                        type="button"
                        class="button"
                        data-testid="confirm-no"
                        onClick={onClose}
                        autofocus
                    >
                        Cancel
                    </button>
                    <button
                        type="button"
                        class="button button-danger"
                        data-testid="confirm-yes"
                        disabled={busy}
                        onClick={onConfirm}
                    >
                        {action}
                    </button>
                </div>
            </div>
        </dialog>
    );
}
