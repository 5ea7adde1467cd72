// What the server tells the page about itself, in <meta> elements of index.html.

export interface PageSettings {
    playBase: string; // "" when playback has the page's own origin
}

export function pageSettings(): PageSettings {
    const meta = document.querySelector<HTMLMetaElement>('meta[name="vora-play-base"]');
    return { playBase: meta?.content.replace(/\/+$/, "") ?? "" };
}
