"""Turns tempest's result stream (subunit, on stdin) into one JSON line per test: {"id", "status", "detail"}."""

import json
import sys

import subunit
import testtools


def detail_of(test):
    texts = [content.as_text() for name, content in test["details"].items() if name in ("traceback", "reason")]
    return "\n".join(texts)


def show(test):
    if test["id"] and test["status"] not in ("exists", "inprogress"):
        print(json.dumps({"id": test["id"], "status": test["status"], "detail": detail_of(test)}))


if __name__ == "__main__":
    stream = subunit.ByteStreamToStreamResult(sys.stdin.buffer, non_subunit_name="stdout")
    result = testtools.StreamToDict(show)
    result.startTestRun()
    stream.run(result)
    result.stopTestRun()
