// text/plain: a body of this type needs no question to the server before it, from any origin, and
// is what a beacon may carry.

import type { Transport } from "./sender";

const TYPE = "text/plain;charset=UTF-8";

export function browserTransport(url: string): Transport {
    return {
        send(body) {
            // Reported at best effort: no answer is waited for, none is missed.
            void fetch(url, {
                method: "POST",
                body,
                headers: { "Content-Type": TYPE },
                credentials: "omit",
                keepalive: true,
            }).catch(() => undefined);
        },
        beacon: (body) => navigator.sendBeacon(url, new Blob([body], { type: TYPE })),
    };
}
