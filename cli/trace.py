"""byline trace"""

from typing import Annotated

import typer


def trace(
    x: Annotated[str, typer.Argument(help="An image file, a SHA-256, a URL of a picture or a page, or a record id.")],
    corpus: Annotated[
        str | None, typer.Option(help="A folder or an fsspec URL; by default the only corpus here.")
    ] = None,
    run: Annotated[
        list[str] | None, typer.Option(help="Folder of a training run; by default every run here. Can be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything, as JSON.")] = False,
) -> None:
    """Tell all that a corpus knows of a picture: license, evidence, creator, verdicts, copies, who trained on it.

    A picture is recognized in another size or encoding too. Exits with 1 when nothing is found.

    Example: byline trace https://example.org/a.jpg --corpus demo/corpus
    """
    from byline.cli.corpus import find_corpus, leave_pandas_out

    leave_pandas_out()

    from byline.catalog.text import one_line
    from byline.pipelines.rights.takedown.receipts import taken_down
    from byline.pipelines.rights.traces.tracing import RADIUS_BITS, kind_of
    from byline.pipelines.rights.traces.tracing import trace as trace_of
    from byline.reports.seen import find_checkpoints

    store, kind = find_corpus(corpus), kind_of(x)
    checkpoints = find_checkpoints(run, store)
    traces = trace_of(store, x, checkpoints.seen)
    digests = {release.digest for record_trace in traces for release in record_trace.releases if release.seen_by}
    not_known = checkpoints.of_others(digests)
    if as_json:
        from byline.pipelines.rights.traces.telling import json_of

        print(json_of(kind, x, traces, not_known))
    elif traces:
        from byline.pipelines.rights.traces.telling import print_traces

        print_traces(traces, not_known)
    else:
        looked_for = {
            "picture": f"that looks like {x} (within {RADIUS_BITS} bits)",
            "sha256": f"with a picture of SHA-256 {x}, as fetched or as stored",
            "url": f"with a picture or a page at {x}",
            "record": f"with the id {x}; no such file either",
        }
        print(one_line(f"{store.root} has no record {looked_for[kind]}"))
        if taken := taken_down(store, x):
            print(one_line(f"it was taken down: {taken}"))
    if not traces:
        raise typer.Exit(1)
