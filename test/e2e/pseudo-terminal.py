"""Runs a command in a real pseudo-terminal and types into it.

Usage: pseudo-terminal.py STEPS COMMAND...
STEPS is JSON: a list of {"wait": regular expression, "send": text, "seconds": how long to wait}. Each step waits until
what the terminal shows after the step before matches, then types. Ends with the exit code of the command (128 + n
for signal n); 99 when a step waits in vain, 98 when the command does not end.
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

ENDING_SECONDS_MAX = 60


def main() -> int:
    steps = json.loads(sys.argv[1])
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        os.execvp(sys.argv[2], sys.argv[2:])
    shown = ""
    seen = 0
    step_started = time.monotonic()
    while True:
        step = steps[0] if steps else None
        if step is not None:
            match = re.search(step["wait"], shown[seen:])
            if match:
                seen += match.end()
                os.write(terminal, step.get("send", "").encode())
                steps.pop(0)
                step_started = time.monotonic()
                continue
        limit = ENDING_SECONDS_MAX if step is None else step.get("seconds", 60)
        if time.monotonic() - step_started > limit:
            sys.stdout.write(f"\n[waited in vain for {step['wait']!r}]\n" if step else "\n[did not end]\n")
            os.killpg(pid, signal.SIGKILL)
            return 99 if step else 98
        ready, _, _ = select.select([terminal], [], [], 0.05)
        if not ready:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if not data:
            break
        text = data.decode(errors="replace")
        shown += text
        sys.stdout.write(text)
        sys.stdout.flush()
    if steps:
        sys.stdout.write(f"\n[ended before {steps[0]['wait']!r}]\n")
        os.waitpid(pid, 0)
        return 99
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


sys.exit(main())
