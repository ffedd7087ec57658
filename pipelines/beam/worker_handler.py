"""How Beam's runner has its workers forked by our server: an environment, and the handler of a worker in it."""

import os
import threading
from functools import partial
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2, endpoints_pb2
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    ControlConnection,
    GrpcWorkerHandler,
    WorkerHandler,
)
from apache_beam.transforms.environments import Environment, python_sdk_capabilities
from google.protobuf import json_format, text_format  # type: ignore[import-untyped]

from byline.pipelines.beam.workers import WorkerServer

RETRY_S = 0.1


class ForkedEnvironment(Environment):
    """Workers that one server forks."""

    def __init__(self, server: WorkerServer) -> None:
        super().__init__(capabilities=python_sdk_capabilities())
        self._urn = f"byline:environment:forked:{server.pid}"
        WorkerHandler.register_environment(self._urn, bytes)(partial(ForkedWorkerHandler, server))

    def to_runner_api_parameter(self, context: Any) -> tuple[str, bytes]:
        return self._urn, b""


class ForkedWorkerHandler(GrpcWorkerHandler):
    """One worker, from its fork to its end. If it dies, whatever it was asked is answered with an error."""

    def __init__(self, server: WorkerServer, payload: bytes, *args: Any) -> None:
        super().__init__(*args)
        self._server = server
        self._closed = threading.Event()

    def start_worker(self) -> None:
        control = endpoints_pb2.ApiServiceDescriptor(url=self.control_address)
        options = self.provision_info.provision_info.pipeline_options
        environment = {
            **os.environ,
            "CONTROL_API_SERVICE_DESCRIPTOR": text_format.MessageToString(control),
            "PIPELINE_OPTIONS": json_format.MessageToJson(options),
            "WORKER_ID": self.worker_id,
        }
        self._server.fork(self.worker_id, environment, on_death=self._start_answering)

    def close(self) -> None:
        self._closed.set()
        self._server.release(self.worker_id)
        super().close()

    def stop_worker(self) -> None:
        if self.control_conn._input is not None:  # otherwise it has not got here yet, and waits for who is gone
            self._server.wait(self.worker_id)

    def _start_answering(self) -> None:
        answering = partial(_answer_with_errors, self.control_conn, self._closed)
        threading.Thread(target=answering, name="byline_answers", daemon=True).start()


def _answer_with_errors(connection: ControlConnection, closed: threading.Event) -> None:
    """Answer all that is asked over a connection with an error until it is closed, so that nobody waits for long."""
    while not closed.wait(RETRY_S):
        for name, future in list(connection._futures_by_id.items()):
            if not future.is_done():
                future.set(beam_fn_api_pb2.InstructionResponse(instruction_id=name, error="a worker process ended"))
