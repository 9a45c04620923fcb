"""What every judge shares: the emulator's addresses, clients of Box's SDK that talk to it, and plain checks.

The emulator is told by the environment variable JUDGE, a JSON object. With "proxied" in it the SDK keeps Box's own
host names and comes through the proxy of HTTPS_PROXY; otherwise it is given the emulator's address as base URL.
"""

import hashlib
import io
import json
import os
import random
import sys
import time
import urllib.request

from box_sdk_gen import (
    BaseUrls,
    BoxAPIError,
    BoxClient,
    BoxDeveloperTokenAuth,
    BoxRetryStrategy,
    NetworkSession,
)

COURT = json.loads(os.environ["JUDGE"])
MIB = 1024 * 1024


def network(retries=None):
    """The SDK's network session for this emulator, with its own retries unless told otherwise."""
    urls = None
    if not COURT["proxied"]:
        base = COURT["url"]
        urls = BaseUrls(base_url=base, upload_url=base + "/api", oauth_2_url=base + "/api/oauth2")
    return NetworkSession(base_urls=urls, retry_strategy=retries)


def client_of(auth, retries=None):
    return BoxClient(auth, network_session=network(retries))


def client(token=None, retries=None):
    """A client with a developer token: the first user's, or another's."""
    return client_of(BoxDeveloperTokenAuth(token=token or COURT["token"]), retries)


def impatient():
    """The SDK's own retries, with shorter waits where the server names none."""
    return BoxRetryStrategy(retry_base_interval=0.05)


def control(method, path, body=None):
    """Asks the emulator about itself, past the SDK."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(COURT["url"] + "/_emulator/" + path, data=data, method=method)
    request.add_header("Authorization", "Bearer " + COURT["token"])
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def equal(found, wanted, what=""):
    if found != wanted:
        raise AssertionError(f"{what}: {found!r} is not {wanted!r}")


def refused(status, code, call):
    """Runs a call that Box refuses, and answers the SDK's error."""
    try:
        call()
    except BoxAPIError as error:
        info = error.response_info
        equal((info.status_code, info.code), (status, code), "refusal")
        return info
    raise AssertionError(f"not refused with {status} {code}")


def noise(size, seed):
    """Bytes that do not compress and are the same each time."""
    return random.Random(seed).randbytes(size)


def sha1(data):
    return hashlib.sha1(data).hexdigest()


def stream(data):
    return io.BytesIO(data)


def eventually(condition, seconds, what):
    """Waits until the condition gives something, and answers it."""
    limit = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > limit:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def run(*trials):
    """Runs the trials in order; the name of each is in the output before it starts."""
    for trial in trials:
        started = time.monotonic()
        print(f"{trial.__name__} ...", flush=True)
        trial()
        print(f"{trial.__name__}: {time.monotonic() - started:.2f} s", flush=True)
    sys.exit(0)
