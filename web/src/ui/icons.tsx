// Line icons, 24 units square, drawn in the text's colour. Decorative: labels are on the buttons.

import type { ComponentChildren } from "preact";

function icon(children: ComponentChildren) {
    return function Icon({ size = 20 }: { size?: number }) {
        return (
            <svg
                class="icon"
                width={size}
                height={size}
                viewBox="0 0 24 24"
                fill="none"
                stroke="currentColor"
                stroke-width="1.8"
                stroke-linecap="round"
                stroke-linejoin="round"
                aria-hidden="true"
                focusable="false"
            >
                {children}
            </svg>
        );
    };
}

export const UploadIcon = icon(
    <>
        <path d="M12 15.5V4.5M7.5 8.5 12 4l4.5 4.5" />
        <path d="M4 15v3a2 2 0 0 0 2 2h12a2 2 0 0 0 2-2v-3" />
    </>,
);
export const PlayIcon = icon(
    <path
        d="M7 4.8v14.4a.6.6 0 0 0 .92.5l11.2-7.2a.6.6 0 0 0 0-1L7.92 4.3a.6.6 0 0 0-.92.5Z"
        fill="currentColor"
    />,
);
export const PauseIcon = icon(
    <>
        <rect x="6" y="4.5" width="4" height="15" rx="1.2" fill="currentColor" stroke="none" />
        <rect x="14" y="4.5" width="4" height="15" rx="1.2" fill="currentColor" stroke="none" />
    </>,
);
export const CloseIcon = icon(<path d="m6 6 12 12M18 6 6 18" />);
export const CheckIcon = icon(<path d="m5 12.5 4.5 4.5L19 7.5" />);
export const RetryIcon = icon(
    <>
        <path d="M20 11a8 8 0 1 0-2.3 6.3" />
        <path d="M20 5v6h-6" />
    </>,
);
export const TrashIcon = icon(
    <>
        <path d="M4.5 7h15M10 7V4.8a.8.8 0 0 1 .8-.8h2.4a.8.8 0 0 1 .8.8V7" />
        <path d="m6.5 7 .8 11.6a1.5 1.5 0 0 0 1.5 1.4h6.4a1.5 1.5 0 0 0 1.5-1.4L17.5 7M10 11v5M14 11v5" />
    </>,
);
export const LinkIcon = icon(
    <>
        <path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1" />
        <path d="M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1" />
    </>,
);
export const PencilIcon = icon(
    <path d="m4 20 1-4.2L15.8 5a2 2 0 0 1 2.8 0l.4.4a2 2 0 0 1 0 2.8L8.2 19 4 20ZM14 7l3 3" />,
);
export const GlobeIcon = icon(
    <>
        <circle cx="12" cy="12" r="8.2" />
        <path d="M3.8 12h16.4M12 3.8c5 5 5 11.4 0 16.4-5-5-5-11.4 0-16.4Z" />
    </>,
);
export const LockIcon = icon(
    <>
        <rect x="5" y="10.5" width="14" height="9.5" rx="2" />
        <path d="M8 10.5V8a4 4 0 0 1 8 0v2.5" />
    </>,
);
export const FilmIcon = icon(
    <>
        <rect x="3.5" y="5" width="17" height="14" rx="2.5" />
        <path d="M8 5v14M16 5v14M3.5 9.7H8M3.5 14.3H8M16 9.7h4.5M16 14.3h4.5" />
    </>,
);
export const AlertIcon = icon(
    <>
        <path d="M12 4.2 3.2 19a.7.7 0 0 0 .6 1h16.4a.7.7 0 0 0 .6-1L12 4.2Z" />
        <path d="M12 10v4.2M12 17v.01" />
    </>,
);
export const VolumeIcon = icon(
    <>
        <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4Z" fill="currentColor" />
        <path d="M15.5 9a4.2 4.2 0 0 1 0 6M18 6.5a7.8 7.8 0 0 1 0 11" />
    </>,
);
export const MutedIcon = icon(
    <>
        <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5H4Z" fill="currentColor" />
        <path d="m16 9.5 5 5M21 9.5l-5 5" />
    </>,
);
export const FullscreenIcon = icon(
    <path d="M4 9V5.5A1.5 1.5 0 0 1 5.5 4H9M15 4h3.5A1.5 1.5 0 0 1 20 5.5V9M20 15v3.5a1.5 1.5 0 0 1-1.5 1.5H15M9 20H5.5A1.5 1.5 0 0 1 4 18.5V15" />,
);
export const ShrinkIcon = icon(
    <path d="M9 4v3.5A1.5 1.5 0 0 1 7.5 9H4M20 9h-3.5A1.5 1.5 0 0 1 15 7.5V4M15 20v-3.5a1.5 1.5 0 0 1 1.5-1.5H20M4 15h3.5A1.5 1.5 0 0 1 9 16.5V20" />,
);
export const PipIcon = icon(
    <>
        <rect x="3.5" y="5" width="17" height="14" rx="2" />
        <rect x="12" y="11.5" width="6" height="5" rx="1" fill="currentColor" />
    </>,
);
export const SignOutIcon = icon(
    <>
        <path d="M14 4.5H7A1.5 1.5 0 0 0 5.5 6v12A1.5 1.5 0 0 0 7 19.5h7" />
        <path d="M11 12h9M16.5 8.5 20 12l-3.5 3.5" />
    </>,
);
export const ChartIcon = icon(<path d="M4 4v16h16M8 16v-4M12 16V8M16 16v-6" />);
export const BackIcon = icon(<path d="M19 12H5M11 6l-6 6 6 6" />);

export function Logo({ size = 28 }: { size?: number }) {
    return (
        <svg
            class="logo"
            width={size}
            height={size}
            viewBox="0 0 32 32"
            aria-hidden="true"
            focusable="false"
        >
            <defs>
                <linearGradient id="logo-fill" x1="0" y1="0" x2="1" y2="1">
                    <stop offset="0" stop-color="#8b7bff" />
                    <stop offset="1" stop-color="#4f46e5" />
                </linearGradient>
            </defs>
            <rect width="32" height="32" rx="9" fill="url(#logo-fill)" />
            <path
                d="M7.5 9.5 14 22.5a2.2 2.2 0 0 0 4 0l6.5-13"
                fill="none"
                stroke="#fff"
                stroke-width="3.4"
                stroke-linecap="round"
                stroke-linejoin="round"
            />
            <circle cx="16" cy="10" r="2.3" fill="#fff" />
        </svg>
    );
}
