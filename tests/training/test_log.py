from byline.training.log import LogEntry, append_log, read_log, rewind_log


def an_entry(images_seen):
    return LogEntry(images_seen=images_seen, loss=0.5, lr=1e-3, images_per_s=10.0)


def test_a_log_is_rewound_to_the_checkpoint(tmp_path):
    path = tmp_path / "log.jsonl"
    for images_seen in (4, 8, 12):
        append_log(path, an_entry(images_seen))
    rewind_log(path, 8)
    assert read_log(path) == [an_entry(4), an_entry(8)]


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    append_log(path, an_entry(4))
    with path.open("a") as file:
        file.write('{"images_se')
    rewind_log(path, 8)
    append_log(path, an_entry(8))
    assert read_log(path) == [an_entry(4), an_entry(8)]
