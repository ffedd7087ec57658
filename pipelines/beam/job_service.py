"""Beam's local job service, with as many workers as a job asks for. python -m byline.pipelines.beam.job_service

Beam's own takes one worker for each job, whatever `--direct_num_workers` says (2.77).
"""

import argparse
import logging
import signal
import threading

from apache_beam.options.pipeline_options import DirectOptions
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner, RunnerResult
from apache_beam.runners.portability.local_job_service import BeamJob, LocalJobServicer

PORT = 8073


class _Job(BeamJob):
    """A job on Beam's own runner, which divides its bundles among workers."""

    def _invoke_runner(self) -> RunnerResult:
        self.set_state(beam_job_api_pb2.JobState.RUNNING)  # type: ignore[no-untyped-call]
        options = self.pipeline_options()  # type: ignore[no-untyped-call]
        runner = FnApiRunner(provision_info=self._provision_info)
        runner._num_workers = int(options.view_as(DirectOptions).direct_num_workers or 1)
        return runner.run_via_runner_api(self._pipeline_proto, options)


def main() -> None:
    """Serve jobs until the process is told to end."""
    parser = argparse.ArgumentParser(description="Run Beam jobs on the workers that they ask for.")
    parser.add_argument("--port", type=int, default=PORT)
    port = parser.parse_args().port
    logging.basicConfig(level=logging.INFO)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    servicer = LocalJobServicer(beam_job_type=_Job)
    servicer.start_grpc_server(port)
    try:
        stopped.wait()
    finally:
        servicer.stop()


if __name__ == "__main__":
    main()
