"""Many at once."""

import concurrent.futures

from media.clips import clip

UPLOADS = 30


def test_thirty_uploads_at_once_all_become_ready(make_vora):
    server = make_vora().start()

    def upload(n):
        video, _ = server.api.upload(clip("tiny"), f"one of many, {n}", chunk_bytes=2000)
        return video["id"]

    with concurrent.futures.ThreadPoolExecutor(UPLOADS) as pool:
        ids = list(pool.map(upload, range(UPLOADS)))
    assert len(set(ids)) == UPLOADS
    videos = [server.api.wait_state(video_id, "READY", 300) for video_id in ids]
    facts = {(v["width"], v["height"], round(v["duration_s"], 1), v["generation"]) for v in videos}
    assert facts in ({(192, 144, 4.0, 1)}, {(193, 144, 4.0, 1)}), "all are the same, and right"
    assert server.stop() == 0
