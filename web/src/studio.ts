// The objects that live as long as the page: running uploads and the list survive a change of page.

import { Library } from "./library/library";
import { Posters } from "./library/posters";
import { session } from "./session/session";
import { announce } from "./ui/toasts";
import { UploadMemory } from "./uploads/memory";
import { UploadQueue } from "./uploads/queue";

export const library = new Library();
export const posters = new Posters();
export const uploads = new UploadQueue(new UploadMemory(localStorageOrNone()));

uploads.onChange = () => library.poke();
library.announce = announce;
library.onUnauthorized = () => {
    library.close();
    library.forgetAll();
    session.set({ status: "out" });
};

// Reading `localStorage` throws where the browser forbids it.
function localStorageOrNone(): Storage {
    try {
        return window.localStorage;
    } catch {
        const none = { length: 0, key: () => null, getItem: () => null };
        return {
            ...none,
            setItem: () => undefined,
            removeItem: () => undefined,
            clear: () => undefined,
        };
    }
}
