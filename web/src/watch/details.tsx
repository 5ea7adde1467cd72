import type { Video } from "../api/types";
import { bitrate, clock } from "../lib/format";
import { reportInWords } from "../lib/words";
import { AlertIcon } from "../ui/icons";

export function Details({ video }: { video: Video }) {
    const renditions = [...(video.renditions ?? [])].sort((a, b) => b.bandwidth - a.bandwidth);
    const report = video.input_report ?? [];
    return (
        <aside class="details" aria-label="Details" data-testid="watch-details">
            {report.length > 0 && (
                <ul class="report" data-testid="input-report">
                    {report.map((entry) => (
                        <li key={entry.code} class="notice notice-warn" data-code={entry.code}>
                            <AlertIcon size={18} />
                            <span>{reportInWords(entry)}</span>
                        </li>
                    ))}
                </ul>
            )}
            <dl class="facts">
                <Fact name="Added" value={new Date(video.created_at).toLocaleString()} />
                {video.duration_s !== null && (
                    <Fact name="Length" value={clock(video.duration_s)} />
                )}
                {video.width && video.height && (
                    <Fact name="Picture" value={`${video.width} × ${video.height}`} />
                )}
                <Fact name="ID" value={video.id} code />
            </dl>
            {renditions.length > 0 && (
                <table class="renditions" data-testid="renditions">
                    <caption>Qualities</caption>
                    <thead>
                        <tr>
                            <th scope="col">Name</th>
                            <th scope="col">Picture</th>
                            <th scope="col">Bitrate</th>
                        </tr>
                    </thead>
                    <tbody>
                        {renditions.map((r) => (
                            <tr key={r.name}>
                                <th scope="row">{r.name}</th>
                                <td>
                                    {r.width} × {r.height}
                                </td>
                                <td title={r.codecs}>{bitrate(r.bandwidth)}</td>
                            </tr>
                        ))}
                    </tbody>
                </table>
            )}
        </aside>
    );
}

function Fact({ name, value, code = false }: { name: string; value: string; code?: boolean }) {
    return (
        <div class="fact">
            <dt>{name}</dt>
            <dd>{code ? <code>{value}</code> : value}</dd>
        </div>
    );
}
